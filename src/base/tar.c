#include "base/tar.h"

#include <string.h>

enum { BLOCK = 512 };

/* The fields of a header, by the standard's offsets. */
enum {
    NAME_AT = 0,
    NAME_BYTES = 100,
    MODE_AT = 100,
    OWNER_AT = 108,
    GROUP_AT = 116,
    SIZE_AT = 124,
    TIME_AT = 136,
    SUM_AT = 148,
    TYPE_AT = 156,
    MAGIC_AT = 257,
};

static sl_status put(FILE *stream, const char *name, const void *data, size_t bytes) {
    if (bytes == 0 || fwrite(data, 1, bytes, stream) == bytes) return SL_OK;
    return sl_fail_errno("cannot write '%s' into the archive", name);
}

static void fill_header(char header[BLOCK], const char *name, size_t bytes) {
    memset(header, 0, BLOCK);
    memcpy(header + NAME_AT, name, strlen(name));
    memcpy(header + MODE_AT, "0000644", 8);
    memcpy(header + OWNER_AT, "0000000", 8);
    memcpy(header + GROUP_AT, "0000000", 8);
    snprintf(header + SIZE_AT, 12, "%011llo", (unsigned long long)bytes);
    memcpy(header + TIME_AT, "00000000000", 12);
    header[TYPE_AT] = '0';
    memcpy(header + MAGIC_AT, "ustar\00000", 8);
    memset(header + SUM_AT, ' ', 8); /* as which it counts in the sum */
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++) sum += (unsigned char)header[i];
    snprintf(header + SUM_AT, 7, "%06o", sum);
}

sl_status sl_tar_add(FILE *stream, const char *name, const void *data, size_t bytes) {
    static const char zeros[BLOCK];
    char header[BLOCK];
    if (strlen(name) >= NAME_BYTES) return sl_fail(SL_LIMIT, "'%s' is too long a name for an archive", name);
    if (bytes >> 33) return sl_fail(SL_LIMIT, "'%s' has %zu bytes, an archive takes 8 GiB", name, bytes);
    fill_header(header, name, bytes);
    SL_TRY(put(stream, name, header, BLOCK));
    SL_TRY(put(stream, name, data, bytes));
    return put(stream, name, zeros, (BLOCK - bytes % BLOCK) % BLOCK);
}

sl_status sl_tar_end(FILE *stream) {
    static const char zeros[2 * BLOCK];
    return put(stream, "the end", zeros, sizeof zeros);
}
