#include "xray/blind/grazing.h"

#include <math.h>

static blind_mirror mirror_at(const blind_cells *c, bool turned, int twice) {
    int lines = turned ? c->columns : c->rows, length = turned ? c->rows : c->columns;
    int along = turned ? c->columns : 1, across = turned ? 1 : c->columns;
    int first = twice - length > 0 ? twice - length : 0, last = (twice - 1) / 2;
    double weight = 0, product = 0, square = 0;
    for (int i = 0; i < lines; i++) {
        double w1 = 0, s1 = 0, q1 = 0, p1 = 0;
        for (int j = first; j <= last; j++) {
            int a = i * across + j * along, b = i * across + (twice - 1 - j) * along;
            double w = (double)(c->weight[a] * c->weight[b]), x = (double)c->value[a],
                   y = (double)c->value[b];
            w1 += w, s1 += w * (x + y), q1 += w * (x * x + y * y), p1 += w * x * y;
        }
        if (w1 < 4) continue;
        double mean = 0.5 * s1 / w1;
        weight += w1, square += 0.5 * q1 - w1 * mean * mean, product += p1 - w1 * mean * mean;
    }
    blind_mirror out = {0.5 * twice, 0, 2 * weight / ((double)c->rows * c->columns)};
    if (weight > 0) out.correlation = product / (square + 0.02 * weight);
    return out;
}

blind_mirror blind_mirror_find(const blind_cells *c, bool turned) {
    int length = turned ? c->rows : c->columns;
    blind_mirror best = {0.5 * length, -1, 0};
    double most = -INFINITY;
    for (int twice = length / 6 > 0 ? length / 6 : 1; twice <= 2 * length - length / 6; twice++) {
        blind_mirror here = mirror_at(c, turned, twice);
        double score = here.correlation * sqrt(here.overlap);
        if (score > most) most = score, best = here;
    }
    return best;
}

/* Mean of `rows` cells of a column from row `from` on; false where none is good. */
static bool mean_of(const blind_cells *c, int from, int rows, int column, double *mean) {
    double sum = 0, weight = 0;
    for (int i = from; i < from + rows; i++) {
        double w = (double)c->weight[i * c->columns + column];
        sum += w * (double)c->value[i * c->columns + column], weight += w;
    }
    *mean = weight > 0 ? sum / weight : 0;
    return weight > 0;
}

/* The edge at row `i` between `thick` rows on either side, `gap` rows apart from it. */
static blind_horizon edge_at(const blind_cells *c, int i, int thick, int gap) {
    double sum = 0;
    int seen = 0, lost = 0;
    for (int j = 0; j < c->columns; j++) {
        double above, below;
        if (!mean_of(c, i - thick - gap, thick, j, &above) || !mean_of(c, i + gap, thick, j, &below))
            continue;
        double loss = (above - below) * c->sigma;
        sum += fmin(fmax(loss, -1.5), 1.5);
        lost += loss > 0.1;
        seen++;
    }
    if (seen < c->columns / 2) return (blind_horizon){i, 0, 0, 0};
    return (blind_horizon){i, sum / seen, (double)lost / seen, 0};
}

static blind_horizon strongest_edge(const blind_cells *c, int from, int to, int thick, int gap) {
    blind_horizon best = {0, 0, 0, 0};
    if (from < thick + gap) from = thick + gap;
    if (to > c->rows - thick - gap) to = c->rows - thick - gap;
    for (int i = from; i <= to; i++) {
        blind_horizon edge = edge_at(c, i, thick, gap);
        if (edge.step > best.step) best = edge;
    }
    return best;
}

blind_horizon blind_horizon_find(const blind_cells *coarse, const blind_cells *fine) {
    blind_horizon best = strongest_edge(coarse, 0, coarse->rows, 3, 1);
    double sum = 0, weight = 0, factor = coarse->cell_px / fine->cell_px;
    for (int k = (int)best.row * coarse->columns; k < coarse->rows * coarse->columns; k++)
        sum += (double)(coarse->weight[k] * coarse->value[k]), weight += (double)coarse->weight[k];
    best.below = weight > 0 ? sum / weight : 0;
    int reach = (int)(4 * factor), row = (int)lround(best.row * factor);
    blind_horizon sharp = strongest_edge(fine, row - reach, row + reach, 2, 0);
    best.row = sharp.step > 0.3 * best.step ? sharp.row / factor : best.row;
    return best;
}
