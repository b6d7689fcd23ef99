/* Images of a folder to fine-tune on, where there is no workspace. */
#ifndef SL_LOOP_TRAIN_LORA_FOLDER_H
#define SL_LOOP_TRAIN_LORA_FOLDER_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sl_lora_file {
    const char *path, *caption; /* caption NULL: none */
    const char *group;          /* what is held out or trained on together */
    const char *hash;           /* SHA-256 of the file */
    bool faulty;                /* simulated with faults, as its record says */
} sl_lora_file;

/* The rows of FOLDER/metadata.jsonl, in its order; all texts and *out in the arena. A simulated image is a
 * group of its own, another one belongs to its row's "group" or to that of its path. SL_NOT_FOUND where there
 * is no such table or an image of it. */
sl_status sl_lora_folder_read(sl_arena *arena, const char *folder, sl_lora_file **out, int64_t *out_count);

#endif
