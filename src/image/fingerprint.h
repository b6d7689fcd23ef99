/* Which images are nearly the same. */
#ifndef SL_IMAGE_FINGERPRINT_H
#define SL_IMAGE_FINGERPRINT_H

#include "base/status.h"
#include "image/image.h"

#include <stdbool.h>
#include <stdint.h>

/* Signs of the lowest spatial frequencies (without the mean) of the log counts on a grid of 64 x 64, masked
 * pixels left out: a pattern that survives scaling of intensity and size, noise, and other number types. */
enum { SL_FINGERPRINT_WORDS = 4 };
typedef struct sl_fingerprint {
    uint64_t bits[SL_FINGERPRINT_WORDS];
} sl_fingerprint;

/* Near-duplicates differ in at most this many of the 256 bits (measured on detector frames: see the tests).
 */
enum { SL_FINGERPRINT_NEAR_BITS = 48 };

sl_status sl_image_fingerprint(const sl_image *image, sl_fingerprint *out);
int sl_fingerprint_distance(const sl_fingerprint *a, const sl_fingerprint *b);

/* As records keep it: 64 hexadecimal digits. */
enum { SL_FINGERPRINT_TEXT = 16 * SL_FINGERPRINT_WORDS + 1 };
void sl_fingerprint_to_text(const sl_fingerprint *fingerprint, char out[SL_FINGERPRINT_TEXT]);
/* Whether `text` (NULL: no) is one. */
bool sl_fingerprint_parse(const char *text, sl_fingerprint *out);

#endif
