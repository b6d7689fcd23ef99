/* The map between mean counts and the unit interval in which models work.
 *
 *     e = log1p(mu / c) / log1p(level / c),   c = 0.5 counts,  cut to [0, 1]
 *
 * c near one photon spends the range where counting noise leaves something to see. `level` is the image's
 * count level: the 99.9 % quantile of mu, and at least SL_LOG_MAP_LEVEL_MIN. It is stored beside e; any other
 * level may be put in when decoding, which is a longer or shorter exposure with the same picture. */
#ifndef SL_XRAY_LOG_MAP_H
#define SL_XRAY_LOG_MAP_H

#include "base/status.h"

#include <stddef.h>

#define SL_LOG_MAP_COUNTS         0.5
#define SL_LOG_MAP_LEVEL_MIN      1.0
#define SL_LOG_MAP_QUANTILE_LEAST 0.5

sl_status sl_log_map_level(const float *mean_counts, size_t count, double *out_level); /* the quantile */
void sl_log_map_encode(const float *mean_counts, size_t count, double level_counts, float *out);
/* Brings a map's own 99.9 % quantile, *out_quantile, to 1, so that decoding meets the level it is given: a
 * map that a model drew may peak lower or higher. It is the sharpest peaks that autoencoders blunt, so the
 * brightest twentieth alone is stretched or pressed, smoothly; what is darker stays unless too little lies
 * between. (Of 400 simulated images through the base model's autoencoder the root mean square error then is
 * 0.0043 to 0.0104 by technique; dividing the map makes 0.0070 to 0.0188 of it and the image too bright.) One
 * that peaks below SL_LOG_MAP_QUANTILE_LEAST stays as it is: it shows nothing that a level could be read
 * from. */
sl_status sl_log_map_meet_level(float *log_map, size_t count, double *out_quantile);
void sl_log_map_decode(const float *log_map, size_t count, double level_counts, float *out_mean_counts);

#endif
