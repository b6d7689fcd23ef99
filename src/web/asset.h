/* The files of the page, built into the program. */
#ifndef SL_WEB_ASSET_H
#define SL_WEB_ASSET_H

#include <stddef.h>

typedef struct sl_asset {
    const char *name, *content_type;
    const unsigned char *data;
    size_t bytes;
} sl_asset;

extern const sl_asset sl_assets[];
extern const size_t sl_asset_count;

#endif
