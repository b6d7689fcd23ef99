#include "xray/spot.h"

#include <math.h>

void sl_spot_add(const sl_spot *spot, float *image, int32_t size_px) {
    double row = spot->row_px, column = spot->column_px, reach = spot->reach_px;
    for (int32_t i = (int32_t)fmax(0, row - reach); i < size_px && i < row + reach; i++)
        for (int32_t j = (int32_t)fmax(0, column - reach); j < size_px && j < column + reach; j++) {
            double u = (j + 0.5 - column) / spot->across_px, v = (i + 0.5 - row) / spot->down_px;
            image[(int64_t)i * size_px + j] += (float)(spot->height * exp(-(u * u + v * v) / 2));
        }
}
