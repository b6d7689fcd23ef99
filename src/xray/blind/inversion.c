/* How far an image is its own inversion through a point: Friedel's law at small angles, and roughly beyond.
 */
#include "xray/blind/internal.h"

#include <math.h>

blind_inversion blind_inversion_at(const blind_cells *c, int twice_row, int twice_column) {
    int top = twice_row - c->rows, left = twice_column - c->columns;
    if (top < 0) top = 0;
    if (left < 0) left = 0;
    int bottom = twice_row - 1 - top, right = twice_column - 1 - left; /* counterparts of the first ones */
    double weight = 0, sum = 0, square = 0, product = 0;
    for (int i = top; 2 * i <= top + bottom; i++) {
        const float *v = c->value + i * c->columns, *w = c->weight + i * c->columns;
        const float *v2 = c->value + (twice_row - 1 - i) * c->columns + twice_column - 1,
                    *w2 = c->weight + (twice_row - 1 - i) * c->columns + twice_column - 1;
        float row_weight = 0, row_sum = 0, row_square = 0, row_product = 0;
        for (int j = left; j <= right; j++) {
            float both = w[j] * w2[-j], a = v[j], b = v2[-j];
            row_weight += both;
            row_sum += both * (a + b);
            row_square += both * (a * a + b * b);
            row_product += both * a * b;
        }
        weight += (double)row_weight, sum += (double)row_sum;
        square += (double)row_square, product += (double)row_product;
    }
    blind_inversion out = {0};
    if (!(weight > 8)) return out;
    double mean = 0.5 * sum / weight, variance = 0.5 * square / weight - mean * mean;
    double covariance = product / weight - mean * mean, all = (double)c->rows * c->columns;
    out.overlap = 2 * weight / all;
    out.correlation = variance > 1e-4 ? covariance / (variance + 0.02) : 0;
    out.share = covariance * out.overlap;
    return out;
}
