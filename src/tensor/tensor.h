/* Data types, shapes, and dense arrays. A tensor here is always contiguous, in row-major order. */
#ifndef SL_TENSOR_TENSOR_H
#define SL_TENSOR_TENSOR_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* SL_DTYPE(NAME, bytes, safetensors name) */
#define SL_DTYPE_TABLE                                                                                       \
    SL_DTYPE(F32, 4, "F32")                                                                                  \
    SL_DTYPE(BF16, 2, "BF16")                                                                                \
    SL_DTYPE(F16, 2, "F16")                                                                                  \
    SL_DTYPE(F64, 8, "F64")                                                                                  \
    SL_DTYPE(I8, 1, "I8")                                                                                    \
    SL_DTYPE(I16, 2, "I16")                                                                                  \
    SL_DTYPE(I32, 4, "I32")                                                                                  \
    SL_DTYPE(I64, 8, "I64")                                                                                  \
    SL_DTYPE(U8, 1, "U8")                                                                                    \
    SL_DTYPE(U16, 2, "U16")                                                                                  \
    SL_DTYPE(U32, 4, "U32")                                                                                  \
    SL_DTYPE(U64, 8, "U64")                                                                                  \
    SL_DTYPE(BOOL, 1, "BOOL")

typedef enum sl_dtype {
#define SL_DTYPE(name, bytes, text) SL_##name,
    SL_DTYPE_TABLE
#undef SL_DTYPE
        SL_DTYPE_COUNT
} sl_dtype;

size_t sl_dtype_bytes(sl_dtype dtype);
const char *sl_dtype_name(sl_dtype dtype);                 /* "F32", as safetensors writes it */
sl_status sl_dtype_parse(const char *name, sl_dtype *out); /* either case */

enum { SL_RANK_MAX = 6 };

typedef struct sl_shape {
    int rank; /* 0: a scalar */
    int64_t dim[SL_RANK_MAX];
} sl_shape;

/* SL_SHAPE(2, 64, 64, 4) */
#define SL_SHAPE(...) ((sl_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

int64_t sl_shape_count(const sl_shape *shape); /* product of the sizes; checked shapes only */
bool sl_shape_equal(const sl_shape *a, const sl_shape *b);
/* Product of the sizes with overflow and sign checked; for shapes from outside. */
sl_status sl_shape_check(const sl_shape *shape, int64_t limit, int64_t *out_count);
/* "[2, 64, 64, 4]" into out; returns out. */
typedef struct sl_shape_text {
    char text[128];
} sl_shape_text;
const char *sl_shape_format(const sl_shape *shape, sl_shape_text *out);

typedef struct sl_tensor {
    sl_dtype dtype;
    sl_shape shape;
    void *data; /* 64-byte aligned when made by sl_tensor_new */
} sl_tensor;

sl_status sl_tensor_new(sl_dtype dtype, const sl_shape *shape, sl_tensor *out); /* zeros */
void sl_tensor_free(sl_tensor *tensor);
size_t sl_tensor_bytes(const sl_tensor *tensor);

/* count elements from one type to another, any pair of types; floats to integers round to nearest and clamp.
 */
void sl_convert(sl_dtype from, const void *source, sl_dtype to, void *target, size_t count);

/* Single values: IEEE half and bfloat16 as their bits, round to nearest even. */
uint16_t sl_f32_to_f16(float value);
float sl_f16_to_f32(uint16_t bits);
uint16_t sl_f32_to_bf16(float value);
float sl_bf16_to_f32(uint16_t bits);

#endif
