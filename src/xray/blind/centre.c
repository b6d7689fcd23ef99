/* The choice among the places that may be the beam's. */
#include "xray/blind/candidates.h"

#include <math.h>

static const double weight[BLIND_EVIDENCE] = {
#define SL_CENTRE_WEIGHT(evidence, value) [evidence] = value,
#define SL_CENTRE_NONE(value)
#include "xray/blind/centre_weights.def"
#undef SL_CENTRE_WEIGHT
#undef SL_CENTRE_NONE
};

/* The utility of "none of these". */
static const double none = 0
#define SL_CENTRE_WEIGHT(evidence, value)
#define SL_CENTRE_NONE(value) +value
#include "xray/blind/centre_weights.def"
#undef SL_CENTRE_WEIGHT
#undef SL_CENTRE_NONE
    ;

static double utility(const blind_candidate *place) {
    double sum = 0;
    for (int e = 0; e < BLIND_EVIDENCE; e++) sum += weight[e] * place->evidence[e];
    return sum;
}

/* The likeliest place, and the probability of all within `near` cells of it. */
static int choose(const blind_candidate *place, int count, double near, double *probability) {
    int first = 0;
    double all = 0, about = 0;
    for (int k = 1; k < count; k++)
        if (utility(&place[k]) > utility(&place[first])) first = k;
    double top = utility(&place[first]);
    for (int k = 0; k < count; k++) {
        double share = exp(utility(&place[k]) - top);
        all += share;
        if (hypot(place[k].row - place[first].row, place[k].column - place[first].column) <= near)
            about += share;
    }
    *probability = about / (all + exp(none - top));
    return first;
}

/* Goes to the best of the place and its four neighbours by rings. */
static void refine(const blind_cells *c, blind_bins *b, double step, blind_candidate *place) {
    static const double ways[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
    double row = place->row, column = place->column;
    for (int k = 0; k < 4; k++) {
        double y = row + ways[k][0] * step, x = column + ways[k][1] * step,
               left = blind_left_over(c, b, y, x);
        if (left < place->left) place->row = y, place->column = x, place->left = left;
    }
}

sl_status blind_centre_choose(blind_cells level[BLIND_LEVELS], const blind_stop *stops, int stop_count,
                              sl_blind_centre *out) {
    const blind_cells *c = &level[BLIND_CANDIDATE_LEVEL];
    blind_cells *finest = &level[BLIND_FINEST];
    blind_candidate place[BLIND_CANDIDATES];
    blind_bins *b;
    SL_TRY(sl_alloc(&b, 1, sizeof *b));
    int count = blind_candidates_find(level, b, stops, stop_count, place);
    sl_status status =
        count ? SL_OK : sl_fail(SL_NUMERIC, "nothing but a level: the beam's place cannot be told");
    if (count) {
        double factor = c->cell_px / finest->cell_px;
        blind_candidate found = place[choose(place, count, 2, &out->probability)];
        out->inversion = found.inversion.correlation;
        out->explained = fmin(1, fmax(0, 1 - found.left));
        out->stop = found.evidence[BLIND_STOP];
        found.row *= factor, found.column *= factor;
        if (stop_count) blind_stop_drop(finest, &stops[0], c);
        blind_shadows_drop(finest, b, found.row, found.column);
        if (found.row > 0 && found.column > 0 && found.row < finest->rows && found.column < finest->columns)
            blind_narrow(finest, found.row, found.column);
        found.left = blind_left_over(finest, b, found.row, found.column);
        refine(finest, b, 1, &found);
        refine(finest, b, 1, &found);
        refine(finest, b, 0.5, &found);
        refine(finest, b, 0.25, &found);
        out->row_px = found.row * finest->cell_px;
        out->column_px = found.column * finest->cell_px;
        out->found = out->probability >= SL_BLIND_CENTRE_LEAST;
    }
    sl_free(b);
    return status;
}

sl_status sl_blind_centre_find(const sl_image *image, sl_blind_centre *out) {
    blind_cells level[BLIND_LEVELS];
    SL_TRY(blind_pyramid_make(image, level));
    blind_stop stops[BLIND_STOPS];
    int count = blind_stops_find(&level[BLIND_CANDIDATE_LEVEL], BLIND_STOPS, stops);
    sl_status status = blind_centre_choose(level, stops, count, out);
    blind_pyramid_free(level);
    return status;
}
