/* Laws over q without a particle: power laws, knees and broad maxima. q in 1/angstrom, intensity in the unit
 * of the prefactors. */
#ifndef SL_XRAY_SCATTER_POWER_LAW_H
#define SL_XRAY_SCATTER_POWER_LAW_H

/* prefactor * q^-exponent: 4 sharp surfaces (Porod 1951), 3 to 4 surface fractals, 1 to 3 mass fractals. q >
 * 0.
 */
double sl_power_law(double q_per_ang, double prefactor, double exponent);

/* One level of the unified law: a Guinier knee and the power law beyond it (Beaucage, J. Appl. Cryst. 28
 * (1995) 717); `guinier` is the intensity at q = 0. */
typedef struct sl_unified_level {
    double guinier, gyration_ang;
    double power, exponent;
} sl_unified_level;
/* Sum of levels, the largest structure first; each power law ends at the next level's radius. */
double sl_unified(double q_per_ang, int levels, const sl_unified_level *level);

/* power/q^exponent + peak / (1 + (|q - position| correlation)^width): an upturn and a broad maximum,
 * Lorentzian at width 2 (Hammouda, Ho and Kline, Macromolecules 37 (2004) 6932). */
typedef struct sl_broad_peak {
    double power, exponent;
    double peak, position_per_ang, correlation_ang, width;
} sl_broad_peak;
double sl_broad_peak_intensity(const sl_broad_peak *law, double q_per_ang);

#endif
