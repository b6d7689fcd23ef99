/* Dark discs in bright surroundings. */
#include "xray/blind/internal.h"

#include <math.h>
#include <string.h>

enum { SECTORS = 12, HIDDEN = 3, REACH = 13, PLACES = (2 * REACH + 1) * (2 * REACH + 1) };

/* The places of a disc and of the sectors around it, for one radius. */
typedef struct stencil {
    double radius;
    int inner, outer;
    int row[PLACES], column[PLACES], sector[PLACES]; /* the inner ones first */
} stencil;

static void fill_stencil(double radius, stencil *s) {
    s->radius = radius;
    s->inner = s->outer = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = -REACH; i <= REACH; i++)
            for (int j = -REACH; j <= REACH; j++) {
                double r = hypot(i, j);
                bool within = pass == 0 ? r <= fmax(0.75 * radius, 1)
                                        : r >= 1.25 * radius + 0.5 && r <= fmin(1.75 * radius + 1.5, REACH);
                if (!within) continue;
                int at = s->inner + s->outer;
                s->row[at] = i, s->column[at] = j;
                s->sector[at] = (int)((atan2(i, j) / (2 * M_PI) + 0.5) * SECTORS) % SECTORS;
                if (pass == 0)
                    s->inner++;
                else
                    s->outer++;
            }
}

/* A quick look: whether the cell is darker than most of eight around it. */
static bool is_darker(const blind_cells *c, int row, int column, int apart) {
    static const int ways[8][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
    int brighter = 0, seen = 0, at = row * c->columns + column;
    for (int k = 0; k < 8; k++) {
        int i = row + ways[k][0] * apart, j = column + ways[k][1] * apart;
        if (i < 0 || j < 0 || i >= c->rows || j >= c->columns || c->weight[i * c->columns + j] <= 0) continue;
        seen++;
        brighter += c->value[i * c->columns + j] > c->value[at];
    }
    return 8 * brighter >= 5 * seen;
}

/* The disc at (row, column), of contrast 0 where there is none. */
static blind_stop disc_at(const blind_cells *c, const stencil *s, int row, int column) {
    blind_stop out = {row + 0.5, column + 0.5, s->radius, 0, 0, 0};
    double sum = 0, square = 0, weight = 0, around[SECTORS] = {0}, seen[SECTORS] = {0}, level[SECTORS];
    for (int k = 0; k < s->inner + s->outer; k++) {
        int i = row + s->row[k], j = column + s->column[k];
        if (i < 0 || j < 0 || i >= c->rows || j >= c->columns) continue;
        double w = (double)c->weight[i * c->columns + j], v = (double)c->value[i * c->columns + j];
        if (k < s->inner)
            sum += w * v, square += w * v * v, weight += w;
        else
            around[s->sector[k]] += w * v, seen[s->sector[k]] += w;
    }
    if (weight < 0.4 * s->inner) return out;
    int count = 0;
    for (int k = 0; k < SECTORS; k++) {
        if (seen[k] <= 0) continue;
        double v = around[k] / seen[k];
        int at = count++;
        for (; at > 0 && level[at - 1] > v; at--) level[at] = level[at - 1];
        level[at] = v;
    }
    if (count < 8) return out;
    double mean = sum / weight, spread = sqrt(fmax(0, square / weight - mean * mean) / weight);
    double scatter = level[count * 3 / 4] - level[count / 4];
    double dark = (level[HIDDEN] - mean) * c->sigma, doubt = (spread + 0.5 * scatter) * c->sigma;
    out.within = mean;
    out.around = level[HIDDEN];
    out.contrast = dark > 0 ? dark / (0.15 + doubt) : 0;
    return out;
}

static void keep(const blind_stop *found, int most, int *count, blind_stop *out) {
    int at = *count;
    for (int k = 0; k < *count; k++) {
        double apart = fmax(out[k].radius, found->radius) + 1;
        if (fabs(out[k].row - found->row) > apart || fabs(out[k].column - found->column) > apart) continue;
        if (out[k].contrast >= found->contrast) return;
        at = k;
        break;
    }
    if (at == *count) {
        if (*count < most)
            (*count)++;
        else if (out[--at].contrast >= found->contrast)
            return;
    }
    for (; at > 0 && out[at - 1].contrast < found->contrast; at--) out[at] = out[at - 1];
    out[at] = *found;
}

int blind_stops_find(const blind_cells *c, int most, blind_stop *out) {
    static const double radii[] = {1.8, 2.8, 4.2, 6.4};
    int count = 0;
    for (size_t k = 0; k < sizeof radii / sizeof *radii; k++) {
        stencil s;
        fill_stencil(radii[k], &s);
        int step = radii[k] > 2.5 ? 2 : 1;
        for (int i = 0; i < c->rows; i += step)
            for (int j = 0; j < c->columns; j += step) {
                if (!is_darker(c, i, j, (int)(1.5 * radii[k] + 1))) continue;
                blind_stop found = disc_at(c, &s, i, j);
                if (found.contrast > 0.5) keep(&found, most, &count, out);
            }
    }
    return count;
}

static bool is_dark(const blind_cells *c, const blind_stop *stop, float level, int i, int j) {
    if (i < 0 || j < 0 || i >= c->rows || j >= c->columns) return false;
    if (hypot(i + 0.5 - stop->row, j + 0.5 - stop->column) > 2.2 * stop->radius) return false;
    return c->value[i * c->columns + j] < level;
}

void blind_stop_drop(blind_cells *c, const blind_stop *stop, const blind_cells *found_in) {
    if (!(stop->contrast > 1)) return;
    double factor = found_in->cell_px / c->cell_px,
           level = found_in->mean + 0.5 * (stop->within + stop->around) * found_in->sigma;
    blind_stop here = {stop->row * factor, stop->column * factor, stop->radius * factor, 0, 0, 0};
    float dark = (float)((level - c->mean) / c->sigma);
    int reach = (int)(2.2 * here.radius) + 3;
    for (int i = (int)here.row - reach; i <= (int)here.row + reach; i++)
        for (int j = (int)here.column - reach; j <= (int)here.column + reach; j++) {
            if (i < 0 || j < 0 || i >= c->rows || j >= c->columns) continue;
            bool near = false;
            for (int y = -2; y <= 2 && !near; y++)
                for (int x = -2; x <= 2 && !near; x++) near = is_dark(c, &here, dark, i + y, j + x);
            if (near) c->weight[i * c->columns + j] = 0;
        }
}
