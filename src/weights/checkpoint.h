/* A checkpoint: one safetensors file or several shards, seen under our names, and its check against a model.
 */
#ifndef SL_WEIGHTS_CHECKPOINT_H
#define SL_WEIGHTS_CHECKPOINT_H

#include "base/text.h"
#include "weights/names.h"
#include "weights/safetensors.h"

enum { SL_WEIGHT_PARTS_MAX = 3 };

/* One tensor under our name; several stored parts follow one another along the first dimension. */
typedef struct sl_weight {
    const char *name;
    sl_dtype dtype; /* of the first part */
    sl_shape shape; /* of the whole */
    int part_count;
    const sl_stored_tensor *parts[SL_WEIGHT_PARTS_MAX];
} sl_weight;

typedef struct sl_checkpoint sl_checkpoint;

/* `path` is a .safetensors file, a *.safetensors.index.json with its shards beside it, or a folder that holds
 * diffusion_pytorch_model, model (or their .fp16 variants) in either form. `rules` may be NULL: names as
 * stored. The files stay mapped until sl_checkpoint_close. */
sl_status sl_checkpoint_open(const char *path, const sl_name_rules *rules, sl_checkpoint **out);
void sl_checkpoint_close(sl_checkpoint *checkpoint); /* NULL is fine */

size_t sl_checkpoint_count(const sl_checkpoint *checkpoint);

/* The files it came from, each shard one. */
size_t sl_checkpoint_file_count(const sl_checkpoint *checkpoint);
const char *sl_checkpoint_file(const sl_checkpoint *checkpoint, size_t index);

const sl_weight *sl_checkpoint_find(const sl_checkpoint *checkpoint, const char *name); /* NULL: not there */

/* What a model wants of a checkpoint. */
typedef struct sl_weight_want {
    const char *name;
    sl_shape shape;
} sl_weight_want;

/* Compares names and shapes; shapes that differ only in trailing ones ([O,I] and [O,I,1,1]) fit. SL_MISMATCH
 * with all missing, superfluous and misshapen tensors in one message (cut at the message's size); `report`,
 * where not NULL, receives the whole list, one a line. `what` names the model. */
sl_status sl_checkpoint_check(const sl_checkpoint *checkpoint, const char *what, const sl_weight_want *wanted,
                              size_t count, sl_text *report);

/* All values of a tensor, converted to `dtype`, into target[]; SL_NOT_FOUND, or SL_MISMATCH where the shape
 * is not `shape` (up to trailing ones). */
sl_status sl_checkpoint_read(const sl_checkpoint *checkpoint, const char *name, const sl_shape *shape,
                             sl_dtype dtype, void *target);

#endif
