/* Matrix products, by cuBLASLt or where it is not there by a piece of our own: d[b] = alpha op(a[b]) op(b[b])
 * (+ bias), all row-major.
 *
 * cuBLASLt counts column by column, where a row-major matrix is its own transpose: d' = op(b)' op(a)' is
 * asked for, the operands swapped. */
#ifndef SL_BACKEND_CUDA_LIB_PRODUCT_H
#define SL_BACKEND_CUDA_LIB_PRODUCT_H

#include "backend/cuda/cuda.h"

typedef struct sl_cuda_product_shape {
    int64_t m, n, k, batches;
    int64_t row_a, row_b, row_d;       /* elements from one stored row to the next */
    int64_t batch_a, batch_b, batch_d; /* and from one matrix to the next */
    bool transpose_a, transpose_b;     /* a is stored [k,m], b [n,k] */
    bool bias;                         /* [n], of dtype out, added to each row */
    sl_dtype in, out;                  /* both operands; result */
    int alignment;                     /* bytes: a power of two that divides all addresses */
    bool plain;                        /* by the module's own kernel, without the library */
} sl_cuda_product_shape;

typedef struct sl_cuda_product sl_cuda_product;

/* Descriptors are made and checked; with a context the algorithm is chosen too, without one (NULL) it cannot
 * be run. */
sl_status sl_cuda_product_new(const sl_cuda_context *context, const sl_cuda_product_shape *shape,
                              sl_cuda_product **out);
void sl_cuda_product_free(sl_cuda_product *product); /* NULL is fine */
size_t sl_cuda_product_workspace(const sl_cuda_product *product);

typedef struct sl_cuda_product_data {
    float alpha;
    const void *a, *b, *bias;
    void *d, *workspace;
} sl_cuda_product_data;

sl_status sl_cuda_product_run(const sl_cuda_context *context, sl_cuda_product *product,
                              const sl_cuda_product_data *data);

#endif
