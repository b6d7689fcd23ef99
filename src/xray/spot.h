/* Round and elliptic Gaussian spots. */
#ifndef SL_XRAY_SPOT_H
#define SL_XRAY_SPOT_H

#include <stdint.h>

typedef struct sl_spot {
    double row_px, column_px;
    double down_px, across_px; /* standard deviations */
    double reach_px;           /* beyond it in either direction it is not drawn */
    double height;
} sl_spot;

/* Adds it to image[size_px, size_px], of which it may reach beyond. */
void sl_spot_add(const sl_spot *spot, float *image, int32_t size_px);

#endif
