/* Models small enough to train in a test, and data that can be learned. */
#ifndef SL_TESTS_TRAIN_TINY_H
#define SL_TESTS_TRAIN_TINY_H

#include "model/model.h"
#include "train/feed.h"

#include <jansson.h>

/* A new model with first values, from the text of a configuration. */
sl_model *tiny_model(const char *config);

extern const char tiny_vae[], tiny_unet[], tiny_text[];

/* Smooth blobs of 32 x 32 px at places drawn from (context's seed, item); label: in which half; every fifth
 * item is held out, every seventh tests; two binary attributes and one number. */
sl_feed tiny_feed(int64_t *seed, int64_t count);

/* A new folder under /tmp, and its end. */
char *tiny_folder(void);
void tiny_folder_drop(char *folder);

#endif
