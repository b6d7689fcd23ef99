/* Tar archives (POSIX.1-1988, ustar), written piece by piece: no times, no owners, so that equal members give
 * equal bytes. */
#ifndef SL_BASE_TAR_H
#define SL_BASE_TAR_H

#include "base/status.h"

#include <stddef.h>
#include <stdio.h>

/* A regular file of mode 0644. SL_LIMIT where the name has more than 99 bytes or the file 8 GiB or more;
 * SL_FULL and SL_IO where the stream does not take it. */
sl_status sl_tar_add(FILE *stream, const char *name, const void *data, size_t bytes);
/* What closes an archive. */
sl_status sl_tar_end(FILE *stream);

#endif
