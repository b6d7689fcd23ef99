#include "xray/blind/candidates.h"

#include <math.h>

enum { RINGS = 10, INVERSIONS = 10, ALL = RINGS + INVERSIONS + BLIND_STOPS + 1, APART = 3 };

/* Puts a place among the best `most`, those with the smallest `left` first, at most one within APART cells.
 */
static void consider(blind_candidate *best, int most, double row, double column, double left) {
    int at = most;
    for (int k = 0; k < most; k++) {
        if (fmax(fabs(best[k].row - row), fabs(best[k].column - column)) >= APART) continue;
        if (best[k].left <= left) return;
        at = k;
        break;
    }
    if (at == most && best[--at].left <= left) return;
    for (; at > 0 && best[at - 1].left > left; at--) best[at] = best[at - 1];
    best[at] = (blind_candidate){.row = row, .column = column, .left = left};
}

static void clear(blind_candidate *best, int most) {
    for (int k = 0; k < most; k++) best[k] = (blind_candidate){.row = -1e9, .column = -1e9, .left = INFINITY};
}

/* By rings, everywhere within the image and a quarter of its side around it. */
static void search_rings(const blind_cells *c, blind_bins *b, blind_candidate best[RINGS]) {
    int margin_rows = c->rows / 4, margin_columns = c->columns / 4;
    clear(best, RINGS);
    for (int i = -margin_rows; i <= c->rows + margin_rows; i++)
        for (int j = -margin_columns; j <= c->columns + margin_columns; j++) {
            bool outside = i < 0 || j < 0 || i > c->rows || j > c->columns;
            if (outside && ((i ^ j) & 1)) continue; /* the farther, the blunter */
            consider(best, RINGS, i, j, blind_left_over(c, b, i, j));
        }
}

/* By inversion, within the image. A chance likeness of two small corners is no centre: the correlation counts
 * by the root of what is compared. */
static void search_inversions(const blind_cells *c, blind_candidate best[INVERSIONS]) {
    clear(best, INVERSIONS);
    int edge_rows = c->rows / 8 + 1, edge_columns = c->columns / 8 + 1;
    for (int i = edge_rows; i <= 2 * c->rows - edge_rows; i++)
        for (int j = edge_columns + (i & 1); j <= 2 * c->columns - edge_columns; j += 2) {
            blind_inversion v = blind_inversion_at(c, i, j);
            if (v.correlation <= 0) continue;
            consider(best, INVERSIONS, 0.5 * i, 0.5 * j, -v.correlation * pow(v.overlap, 0.25));
        }
}

/* At small angles the beam is where it is brightest, whatever a coarse search says of sharp rings. */
static blind_candidate brightest(const blind_cells *c) {
    blind_candidate out = {.left = 1};
    float most = -INFINITY;
    for (int k = 0; k < c->rows * c->columns; k++)
        if (c->weight[k] > 0 && c->value[k] > most) {
            most = c->value[k];
            out.row = k / c->columns + 0.5, out.column = k % c->columns + 0.5;
        }
    return out;
}

/* Brings places from `from` to `to`. */
static int gather(const blind_candidate *places, int count, const blind_cells *from, const blind_cells *to,
                  int had, blind_candidate *out) {
    double factor = from->cell_px / to->cell_px;
    for (int k = 0; k < count; k++)
        if (isfinite(places[k].left)) {
            out[had] = places[k];
            out[had].row *= factor, out[had].column *= factor;
            had++;
        }
    return had;
}

/* What a step downhill goes by: small where rings leave little over and inversion agrees. */
static double rank(const blind_candidate *place) {
    double left = fmin(place->left, 2), agrees = fmax(place->inversion.correlation, 0);
    return log(left) + log(1.05 - agrees) * sqrt(fmin(1, 4 * place->inversion.overlap));
}

static void look(const blind_cells *c, blind_bins *b, blind_candidate *place) {
    place->left = blind_left_over(c, b, place->row, place->column);
    place->inversion = blind_inversion_at(c, (int)lround(2 * place->row), (int)lround(2 * place->column));
}

/* Goes to the best place nearby in half cells. */
static void descend(const blind_cells *c, blind_bins *b, int steps, blind_candidate *place) {
    static const double ways[4][2] = {{-0.5, 0}, {0.5, 0}, {0, -0.5}, {0, 0.5}};
    place->row = 0.5 * round(2 * place->row), place->column = 0.5 * round(2 * place->column);
    look(c, b, place);
    for (int step = 0, still = 0; step < steps && still < 4; step++) {
        blind_candidate next = *place;
        const double *way = ways[step % 4];
        next.row += way[0], next.column += way[1];
        look(c, b, &next);
        if (rank(&next) < rank(place)) {
            *place = next;
            still = 0;
            step--; /* on in the same way */
            steps--;
        } else {
            still++;
        }
    }
}

/* Sorts by rank and drops those that are another's neighbour. */
static int sift(blind_candidate *places, int count, int most) {
    int kept = 0;
    for (int k = 1; k < count; k++) {
        blind_candidate place = places[k];
        int at = k;
        for (; at > 0 && rank(&places[at - 1]) > rank(&place); at--) places[at] = places[at - 1];
        places[at] = place;
    }
    for (int k = 0; k < count && kept < most; k++) {
        bool alone = true;
        for (int i = 0; i < kept; i++)
            alone &= fabs(places[i].row - places[k].row) > 1 || fabs(places[i].column - places[k].column) > 1;
        if (alone) places[kept++] = places[k];
    }
    return kept;
}

static double brightness(const blind_cells *c, double row, double column) {
    double sum = 0, weight = 0;
    for (int i = (int)row - 8; i <= (int)row + 8; i++)
        for (int j = (int)column - 8; j <= (int)column + 8; j++) {
            if (i < 0 || j < 0 || i >= c->rows || j >= c->columns) continue;
            double r = hypot(i + 0.5 - row, j + 0.5 - column), w = (double)c->weight[i * c->columns + j];
            if (r < 3 || r > 8) continue;
            sum += w * (double)c->value[i * c->columns + j], weight += w;
        }
    return weight > 10 ? sum / weight : 0;
}

static double stop_near(const blind_stop *stops, int count, double row, double column) {
    double most = 0;
    for (int k = 0; k < count; k++) {
        double d = hypot(stops[k].row - row, stops[k].column - column) / (0.5 * stops[k].radius + 1);
        most = fmax(most, fmin(stops[k].contrast, 12) * exp(-0.5 * d * d));
    }
    return sqrt(most);
}

static void weigh_evidence(const blind_cells *c, const blind_stop *stops, int stop_count,
                           blind_candidate *places, int count) {
    static const int behind[] = {BLIND_RINGS, BLIND_INVERSION, BLIND_SHARE, BLIND_STOP, BLIND_BRIGHT};
    for (int k = 0; k < count; k++) {
        blind_candidate *p = &places[k];
        double y = 2 * p->row / c->rows - 1, x = 2 * p->column / c->columns - 1;
        p->evidence[BLIND_RINGS] = -log(fmin(p->left, 2));
        p->evidence[BLIND_INVERSION] = p->inversion.correlation;
        p->evidence[BLIND_SHARE] = p->inversion.share;
        p->evidence[BLIND_OVERLAP] = sqrt(p->inversion.overlap);
        p->evidence[BLIND_STOP] = stop_near(stops, stop_count, p->row, p->column);
        p->evidence[BLIND_BRIGHT] = fmin(fmax(brightness(c, p->row, p->column), -3), 6);
        p->evidence[BLIND_OUTSIDE] = fabs(y) > 1 || fabs(x) > 1;
        p->evidence[BLIND_FAR] = fmin(y * y + x * x, 3);
    }
    for (size_t e = 0; e < sizeof behind / sizeof *behind; e++) {
        double most = -INFINITY;
        for (int k = 0; k < count; k++) most = fmax(most, places[k].evidence[behind[e]]);
        for (int k = 0; k < count; k++)
            places[k].evidence[behind[e] + 1] = places[k].evidence[behind[e]] - most;
    }
}

int blind_candidates_find(const blind_cells level[BLIND_LEVELS], blind_bins *b, const blind_stop *stops,
                          int stop_count, blind_candidate out[BLIND_CANDIDATES]) {
    const blind_cells *coarse = &level[0], *middle = &level[1], *fine = &level[BLIND_CANDIDATE_LEVEL];
    blind_candidate rings[RINGS], inversions[INVERSIONS], shadows[BLIND_STOPS], all[ALL];
    search_rings(coarse, b, rings);
    search_inversions(middle, inversions);
    for (int k = 0; k < stop_count; k++)
        shadows[k] = (blind_candidate){.row = stops[k].row, .column = stops[k].column};
    blind_candidate bright = brightest(coarse);
    int count = gather(rings, RINGS, coarse, middle, 0, all);
    count = gather(inversions, INVERSIONS, middle, middle, count, all);
    count = gather(shadows, stop_count, fine, middle, count, all);
    count = gather(&bright, 1, coarse, middle, count, all);
    for (int k = 0; k < count; k++) descend(middle, b, 10, &all[k]);
    count = sift(all, count, BLIND_CANDIDATES - 2);
    blind_candidate kept[BLIND_CANDIDATES];
    for (int k = 0; k < count; k++) kept[k] = all[k];
    count = gather(kept, count, middle, fine, 0, out);
    /* a shadow is a place of its own, whatever the pattern says */
    if (stop_count > 2) stop_count = 2;
    count = gather(shadows, stop_count, fine, fine, count, out);
    for (int k = 0; k < count; k++) descend(fine, b, 8, &out[k]);
    count = sift(out, count, BLIND_CANDIDATES);
    weigh_evidence(fine, stops, stop_count, out, count);
    return count;
}
