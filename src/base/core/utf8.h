/* Characters as UTF-8. */
#ifndef SL_BASE_CORE_UTF8_H
#define SL_BASE_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at the start of `text`, 0 where it is not well-formed; *c (NULL: not wanted) is the
 * character. */
size_t sl_utf8_read(const char *text, size_t bytes, int32_t *c);
bool sl_utf8_check(const char *text, size_t bytes);
/* Writes up to 4 bytes, without NUL; returns how many. */
size_t sl_utf8_write(int32_t c, char out[4]);

#endif
