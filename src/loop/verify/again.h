/* Images made again from their records. */
#ifndef SL_LOOP_VERIFY_AGAIN_H
#define SL_LOOP_VERIFY_AGAIN_H

#include "base/json.h"
#include "loop/verify/verify.h"

/* Takes each image that the record could mean, until one says that it is the same. */
typedef struct sl_again_sink {
    sl_status (*take)(void *context, const sl_image *made, bool *same);
    void *context;
} sl_again_sink;

/* The record does not say whether the simulator's held-out instruments were used or faults put in: all four
 * are tried. */
sl_status sl_simulated_again(const json_t *provenance, int32_t size_px, const sl_again_sink *sink);

/* `model`, `lora`: where the weights are, NULL for the shipped model and for no adapter. *recorded and
 * *engine as in sl_verify_result. */
sl_status sl_generated_again(const json_t *provenance, int32_t size_px, const char *model, const char *lora,
                             const sl_progress *progress, sl_arena *arena, const sl_again_sink *sink,
                             sl_verify_result *out);

#endif
