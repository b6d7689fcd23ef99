/* Crystal lattices: which reflections there are, where, and how many fall together. */
#ifndef SL_XRAY_SCATTER_LATTICE_H
#define SL_XRAY_SCATTER_LATTICE_H

typedef enum sl_lattice_rule {
    SL_LATTICE_PRIMITIVE,
    SL_LATTICE_BODY,         /* h+k+l even */
    SL_LATTICE_FACE,         /* all even or all odd */
    SL_LATTICE_DIAMOND,      /* all odd, or all even with h+k+l = 4n */
    SL_LATTICE_GYROID,       /* Ia-3d */
    SL_LATTICE_CLOSE_PACKED, /* hexagonal: l even unless h+2k is no multiple of 3 */
    SL_LATTICE_HEXAGONAL_2D, /* l = 0 */
    SL_LATTICE_LAMELLAR,     /* h = k = 0 */
    SL_LATTICE_RULE_COUNT
} sl_lattice_rule;
const char *sl_lattice_rule_id(sl_lattice_rule rule); /* "body-centred" */

typedef struct sl_cell {
    double a_ang, b_ang, c_ang;
    double alpha_rad, beta_rad, gamma_rad;
    sl_lattice_rule rule;
} sl_cell;
sl_cell sl_cell_cubic(double a_ang, sl_lattice_rule rule);
sl_cell sl_cell_hexagonal(double a_ang, double c_ang, sl_lattice_rule rule);

typedef struct sl_reflection {
    int h, k, l; /* one of those that fall together */
    int multiplicity;
    double q_per_ang;
    double psi_rad;   /* angle to the axis, 0 to pi/2; fibre only */
    double vector[3]; /* 1/angstrom, with the axis along z; single only */
} sl_reflection;

/* What falls together: equal q; equal q and angle to the axis; nothing. */
typedef enum sl_lattice_merge { SL_MERGE_POWDER, SL_MERGE_FIBRE, SL_MERGE_NONE } sl_lattice_merge;

/* Reflections up to q_max, by rising q, the first `capacity` of them (indices up to 12; lamellae 40); `axis`
 * is the reciprocal direction (hkl) of the fibre axis, unused for powders. Returns how many. */
int sl_lattice_reflections(const sl_cell *cell, const int axis[3], sl_lattice_merge merge,
                           double q_max_per_ang, int capacity, sl_reflection *out);

#endif
