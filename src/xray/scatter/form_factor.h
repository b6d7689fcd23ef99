/* Form factors of isotropic small-angle scattering, monodisperse and with a spread of sizes.
 *
 * Lengths in angstrom, scattering-length densities in 1e-6 / angstrom^2; intensities in 1/cm at unit volume
 * fraction, as SasView has them (the tests hold its values). Formulas: Guinier and Fournet 1955; Pedersen,
 * Adv. Colloid Interface Sci. 70 (1997) 171; Teubner and Strey, J. Chem. Phys. 87 (1987) 3195; Hammouda, J.
 * Appl. Cryst. 43 (2010) 716. */
#ifndef SL_XRAY_SCATTER_FORM_FACTOR_H
#define SL_XRAY_SCATTER_FORM_FACTOR_H

#include "base/status.h"

typedef enum sl_form_kind {
    SL_FORM_SPHERE,        /* size: radius */
    SL_FORM_CORE_SHELL,    /* size: core radius; second: shell thickness; shell_sld */
    SL_FORM_FUZZY_SPHERE,  /* size: radius; second: width of the edge */
    SL_FORM_CYLINDER,      /* size: radius; second: length */
    SL_FORM_ELLIPSOID,     /* size: polar radius; second: equatorial radius */
    SL_FORM_BOX,           /* size, second and third: sides */
    SL_FORM_COIL,          /* size: radius of gyration (Debye 1947) */
    SL_FORM_DAB,           /* size: correlation length (Debye, Anderson, Brumberger 1957) */
    SL_FORM_TEUBNER_STREY, /* size: repeat distance; second: correlation length */
    SL_FORM_GUINIER_POROD, /* size: radius of gyration; second: Porod exponent (no unit) */
    SL_FORM_KIND_COUNT
} sl_form_kind;
const char *sl_form_kind_id(sl_form_kind kind); /* "core-shell" */

typedef enum sl_spread_kind { SL_SPREAD_GAUSSIAN, SL_SPREAD_LOG_NORMAL, SL_SPREAD_SCHULZ } sl_spread_kind;

/* How interaction and a spread of sizes go together: as if position and size had nothing to do with each
 * other (Kotlarchyk and Chen, J. Chem. Phys. 79 (1983) 2461), or each particle among its like (Pedersen, J.
 * Appl. Cryst. 27 (1994) 595). */
typedef enum sl_coupling { SL_COUPLING_DECOUPLED, SL_COUPLING_LOCAL } sl_coupling;

typedef struct sl_form {
    sl_form_kind kind;
    double size_ang, second_ang, third_ang;
    double sld, shell_sld, solvent_sld;
    double spread; /* relative standard deviation of size alone; 0: one size; particles only */
    sl_spread_kind spread_kind;
    int spread_points;      /* 2 or more, where spread > 0 */
    double volume_fraction; /* of hard spheres that stand for the interaction; 0: none */
    double interaction_ang; /* hard-sphere radius; local coupling scales it with the size */
    sl_coupling coupling;
} sl_form;

/* Intensity of one particle size, without interaction. */
double sl_form_intensity_single(const sl_form *form, double q_per_ang);

/* Intensity at count values of q with spread and interaction: sum of w f^2 over sum of w V. Sizes run over 3
 * standard deviations to both sides, log-normal ones evenly in their logarithm. SL_LIMIT above 200 points. */
sl_status sl_form_intensity(const sl_form *form, int count, const double *q_per_ang, double *out);

#endif
