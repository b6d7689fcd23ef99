/* Counts of photons: exact Poisson numbers for any mean. */
#ifndef SL_XRAY_INSTRUMENT_POISSON_H
#define SL_XRAY_INSTRUMENT_POISSON_H

#include "base/random/random.h"

/* A number of the Poisson law of the given mean (0 to 1e15): by inversion below 10, else by transformed
 * rejection with squeeze (PTRS, Hoermann, Insurance Math. Econom. 12 (1993) 39). */
double sl_poisson(sl_random *random, double mean);

#endif
