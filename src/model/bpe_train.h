/* Learns a small byte pair vocabulary from captions and writes it in CLIP's file format. */
#ifndef SL_MODEL_BPE_TRAIN_H
#define SL_MODEL_BPE_TRAIN_H

#include "base/status.h"

#include <stddef.h>

enum { SL_BPE_SMALLEST = 514 /* each byte alone and at a word's end, begin, end */ };

/* `positions` is the length of a prompt that tokenizer_config.json names. Counts the words of all texts and
 * merges the most frequent pair of neighbours (of equals the one with the lower ids) until the vocabulary has
 * `size` entries or no pair occurs twice. Writes vocab.json, merges.txt, tokenizer_config.json and
 * special_tokens_map.json into `folder`, made where needed. Depends on the texts' content alone, not on their
 * order. *out_size (may be NULL): entries written. Source: Sennrich, Haddow and Birch 2016, with byte
 * symbols. */
sl_status sl_bpe_train(const char *const *texts, size_t count, int size, int positions, const char *folder,
                       int *out_size);

#endif
