/* How far an image is rings, lobes or fibres about a point. */
#include "xray/blind/internal.h"

#include <math.h>
#include <string.h>

/* Which of the lines through the centre, of which opposite sides are one: even steps of the diamond angle,
 * which needs neither arc tangent nor division. */
static inline int axis_of(float y, float x) {
    float sum = fabsf(x) + fabsf(y), across = y < 0 ? -x : x, third = sum * (1.0F / 3);
    return (across <= 2 * third) + (across <= third) + (across <= 0) + (across <= -third) +
           (across <= -2 * third);
}

/* Puts the cells into bins of radius and axis; returns the number of radii. */
static int fill_bins(const blind_cells *c, blind_bins *b, double row, double column) {
    /* bins of a cell at least: of single cells nothing can be told */
    float scale = fminf(1, BLIND_RADII / hypotf((float)c->rows, (float)c->columns));
    int radii = 0;
    memset(b, 0, sizeof *b);
    for (int i = 0; i < c->rows; i++) {
        float y = (float)(i + 0.5 - row);
        for (int j = 0; j < c->columns; j++) {
            float w = c->weight[i * c->columns + j], x = (float)(j + 0.5 - column);
            if (w <= 0) continue;
            int r = (int)(sqrtf(x * x + y * y) * scale), axis = axis_of(y, x);
            if (r >= BLIND_RADII) r = BLIND_RADII - 1;
            if (r >= radii) radii = r + 1;
            b->bin[r][axis].sum += w * c->value[i * c->columns + j];
            b->bin[r][axis].weight += w;
            b->bin[r][axis].filled++;
        }
    }
    return radii;
}

static double left_over(const blind_bins *b, int radii, double square) {
    double between = 0, freedom = 0, all = 0;
    for (int r = 0; r < radii; r++)
        for (int a = 0; a < BLIND_AXES; a++) {
            if (b->bin[r][a].filled <= 0) continue;
            double w = (double)b->bin[r][a].weight, sum = (double)b->bin[r][a].sum;
            between += sum * sum / w;
            freedom += w * (1 - 1 / (double)b->bin[r][a].filled); /* a bin of one cell says nothing */
            all += w;
        }
    return freedom > 0.2 * all ? fmax((all * square - between) / freedom, 1e-4) : INFINITY;
}

double blind_left_over(const blind_cells *c, blind_bins *b, double row, double column) {
    return left_over(b, fill_bins(c, b, row, column), c->square);
}

void blind_shadows_drop(blind_cells *c, blind_bins *b, double row, double column) {
    static const double least = 0.35; /* of ln(counts) */
    double left = blind_left_over(c, b, row, column), weight = 0, square = 0;
    float scale = fminf(1, BLIND_RADII / hypotf((float)c->rows, (float)c->columns));
    double depth = fmax(2.5 * sqrt(fmin(left, 1)), least / c->sigma);
    for (int i = 0; i < c->rows; i++)
        for (int j = 0; j < c->columns; j++) {
            int at = i * c->columns + j;
            float y = (float)(i + 0.5 - row), x = (float)(j + 0.5 - column);
            int r = (int)(sqrtf(x * x + y * y) * scale), axis = axis_of(y, x);
            if (r >= BLIND_RADII) r = BLIND_RADII - 1;
            if (c->weight[at] > 0 &&
                c->value[at] < b->bin[r][axis].sum / b->bin[r][axis].weight - (float)depth)
                c->weight[at] = 0;
            double w = (double)c->weight[at], v = (double)c->value[at];
            weight += w, square += w * v * v;
        }
    c->square = weight > 0 ? square / weight : 1;
}

void blind_narrow(blind_cells *c, double row, double column) {
    static const double reach = 0.2, least = 0.02; /* of the side; of the weight */
    double scale = 1 / (2 * pow(reach * fmax(c->rows, c->columns), 2)), weight = 0, square = 0;
    for (int i = 0; i < c->rows; i++)
        for (int j = 0; j < c->columns; j++) {
            int at = i * c->columns + j;
            double y = i + 0.5 - row, x = j + 0.5 - column, v = (double)c->value[at];
            c->weight[at] *= (float)(least + exp(-scale * (y * y + x * x)));
            weight += (double)c->weight[at], square += (double)c->weight[at] * v * v;
        }
    c->square = weight > 0 ? square / weight : 1;
}
