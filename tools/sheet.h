/* A picture of many frames in rows, all shown alike. */
#ifndef SL_TOOLS_SHEET_H
#define SL_TOOLS_SHEET_H

#include "image/image.h"

typedef struct sheet {
    int columns, row, column; /* how many there are, and where the next frame goes */
    int32_t cell_px, width_px;
    uint8_t *pixels; /* [SHEET_ROWS_MAX * pitch, width, 3] */
} sheet;

enum { SHEET_ROWS_MAX = 64 };

/* White, with room for SHEET_ROWS_MAX rows. */
sl_status sheet_open(int columns, int32_t cell_px, sheet *out);
void sheet_close(sheet *s);

void sheet_next_row(sheet *s); /* unless the row is still empty */
/* The next frame. Counts go through log1p up to their 99.9 % quantile, masked pixels are black; a frame is
 * shrunk by area average, cut to a square where it nearly is one and between bars otherwise. SL_LIMIT where
 * the sheet is full. */
sl_status sheet_place(sheet *s, const sl_image *image);
/* The rows that are filled, as a PNG. */
sl_status sheet_write(sheet *s, const char *path);

#endif
