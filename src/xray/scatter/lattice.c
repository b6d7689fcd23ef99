#include "xray/scatter/lattice.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

const char *sl_lattice_rule_id(sl_lattice_rule rule) {
    static const char *const ids[SL_LATTICE_RULE_COUNT] = {"primitive",    "body-centred", "face-centred",
                                                           "diamond",      "gyroid",       "close-packed",
                                                           "hexagonal-2d", "lamellar"};
    return rule < SL_LATTICE_RULE_COUNT ? ids[rule] : "?";
}

sl_cell sl_cell_cubic(double a, sl_lattice_rule rule) {
    return (sl_cell){a, a, a, M_PI / 2, M_PI / 2, M_PI / 2, rule};
}

sl_cell sl_cell_hexagonal(double a, double c, sl_lattice_rule rule) {
    return (sl_cell){a, a, c, M_PI / 2, M_PI / 2, 2 * M_PI / 3, rule};
}

static bool even(int n) {
    return n % 2 == 0;
}

/* Conditions of Ia-3d (International Tables A, no. 230) for one order of the indices. */
static bool gyroid_condition(int h, int k, int l) {
    if (h == 0 && !(even(k) && even(l))) return false;
    if (h == k && (2 * h + l) % 4 != 0) return false;
    if (k == 0 && l == 0 && h % 4 != 0) return false;
    return true;
}

static bool allowed(sl_lattice_rule rule, int h, int k, int l) {
    switch (rule) {
    case SL_LATTICE_BODY:
        return even(h + k + l);
    case SL_LATTICE_FACE:
        return even(h + k) && even(k + l);
    case SL_LATTICE_DIAMOND:
        return even(h + k) && even(k + l) && (!even(h) || (h + k + l) % 4 == 0);
    case SL_LATTICE_GYROID:
        h = h < 0 ? -h : h, k = k < 0 ? -k : k, l = l < 0 ? -l : l;
        return even(h + k + l) && gyroid_condition(h, k, l) && gyroid_condition(k, l, h) &&
               gyroid_condition(l, h, k);
    case SL_LATTICE_CLOSE_PACKED:
        return even(l) || (h + 2 * k) % 3 != 0;
    case SL_LATTICE_HEXAGONAL_2D:
        return l == 0;
    case SL_LATTICE_LAMELLAR:
        return h == 0 && k == 0;
    default:
        return true;
    }
}

/* Columns are the reciprocal basis vectors (1/angstrom, with 2 pi), c* along z. */
static void reciprocal_basis(const sl_cell *cell, double basis[3][3]) {
    double ca = cos(cell->alpha_rad), cb = cos(cell->beta_rad), cg = cos(cell->gamma_rad),
           sg = sin(cell->gamma_rad);
    double volume = sqrt(1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg);
    double real[3][3] = {{cell->a_ang, 0, 0},
                         {cell->b_ang * cg, cell->b_ang * sg, 0},
                         {cell->c_ang * cb, cell->c_ang * (ca - cb * cg) / sg, cell->c_ang * volume / sg}};
    double scale = 2 * M_PI / (cell->a_ang * cell->b_ang * cell->c_ang * volume);
    for (int i = 0; i < 3; i++) {
        const double *u = real[(i + 1) % 3], *v = real[(i + 2) % 3];
        basis[0][i] = scale * (u[1] * v[2] - u[2] * v[1]);
        basis[1][i] = scale * (u[2] * v[0] - u[0] * v[2]);
        basis[2][i] = scale * (u[0] * v[1] - u[1] * v[0]);
    }
}

static void reciprocal_vector(const double basis[3][3], int h, int k, int l, double out[3]) {
    for (int i = 0; i < 3; i++) out[i] = basis[i][0] * h + basis[i][1] * k + basis[i][2] * l;
}

static double length3(const double v[3]) {
    return sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

/* A right-handed frame whose third row is the axis. */
static void frame_about(const double axis[3], double frame[3][3]) {
    double n = length3(axis), w[3] = {axis[0] / n, axis[1] / n, axis[2] / n};
    double help[3] = {fabs(w[0]) < 0.7, fabs(w[0]) >= 0.7, 0};
    double u[3] = {help[1] * w[2] - help[2] * w[1], help[2] * w[0] - help[0] * w[2],
                   help[0] * w[1] - help[1] * w[0]};
    double m = length3(u);
    for (int i = 0; i < 3; i++) u[i] /= m;
    double v[3] = {w[1] * u[2] - w[2] * u[1], w[2] * u[0] - w[0] * u[2], w[0] * u[1] - w[1] * u[0]};
    memcpy(frame[0], u, sizeof u);
    memcpy(frame[1], v, sizeof v);
    memcpy(frame[2], w, sizeof w);
}

typedef struct reflection_list {
    sl_lattice_merge merge;
    int capacity, count;
    sl_reflection *items;
} reflection_list;

static bool same_place(const reflection_list *list, const sl_reflection *a, const sl_reflection *b) {
    if (list->merge == SL_MERGE_NONE || fabs(a->q_per_ang - b->q_per_ang) > 1e-6 * b->q_per_ang) return false;
    return list->merge == SL_MERGE_POWDER || fabs(a->psi_rad - b->psi_rad) < 1e-6;
}

/* Keeps the list sorted by q; what does not fit falls off its end. */
static void insert(reflection_list *list, const sl_reflection *reflection) {
    int at = list->count;
    while (at > 0 && list->items[at - 1].q_per_ang > reflection->q_per_ang * (1 + 2e-6)) at--;
    for (int i = at - 1; i >= 0 && list->items[i].q_per_ang > reflection->q_per_ang * (1 - 2e-6); i--)
        if (same_place(list, &list->items[i], reflection)) {
            list->items[i].multiplicity++;
            return;
        }
    if (at >= list->capacity) return;
    int moved = list->count - at - (list->count == list->capacity);
    memmove(&list->items[at + 1], &list->items[at], (size_t)(moved > 0 ? moved : 0) * sizeof *list->items);
    list->items[at] = *reflection;
    if (list->count < list->capacity) list->count++;
}

static int index_limit(double length_ang, double q_max, int most) {
    return (int)fmin(q_max * length_ang / (2 * M_PI) + 1, most);
}

int sl_lattice_reflections(const sl_cell *cell, const int axis[3], sl_lattice_merge merge, double q_max,
                           int capacity, sl_reflection *out) {
    double basis[3][3], frame[3][3], direction[3] = {0, 0, 1};
    reciprocal_basis(cell, basis);
    if (axis) reciprocal_vector((const double(*)[3])basis, axis[0], axis[1], axis[2], direction);
    frame_about(direction, frame);
    int hs = cell->rule == SL_LATTICE_LAMELLAR ? 0 : index_limit(cell->a_ang, q_max, 12);
    int ks = cell->rule == SL_LATTICE_LAMELLAR ? 0 : index_limit(cell->b_ang, q_max, 12);
    int ls = cell->rule == SL_LATTICE_HEXAGONAL_2D
                 ? 0
                 : index_limit(cell->c_ang, q_max, cell->rule == SL_LATTICE_LAMELLAR ? 40 : 12);
    reflection_list list = {merge, capacity, 0, out};
    for (int h = -hs; h <= hs; h++)
        for (int k = -ks; k <= ks; k++)
            for (int l = -ls; l <= ls; l++) {
                if ((h == 0 && k == 0 && l == 0) || !allowed(cell->rule, h, k, l)) continue;
                double g[3];
                reciprocal_vector((const double(*)[3])basis, h, k, l, g);
                sl_reflection reflection = {
                    .h = h, .k = k, .l = l, .multiplicity = 1, .q_per_ang = length3(g)};
                if (reflection.q_per_ang > q_max) continue;
                for (int i = 0; i < 3; i++)
                    reflection.vector[i] = frame[i][0] * g[0] + frame[i][1] * g[1] + frame[i][2] * g[2];
                reflection.psi_rad = acos(fmin(fabs(reflection.vector[2]) / reflection.q_per_ang, 1));
                insert(&list, &reflection);
            }
    return list.count;
}
