#include "xray/instrument/usual_background.h"

#include "xray/log_map.h"

#include <math.h>
#include <string.h>

/* Shares of the level below this look alike in the log map: models draw no finer. */
static const double alike = 0.01;

/* at_all + level * share, whose logarithm is uniform. */
typedef struct background_law {
    double at_all, least, most;
} background_law;

static const background_law empty_law = {0, 0.01, 0.6};

static background_law law_of(sl_technique technique) {
    return (background_law){2e-3, 3e-5, sl_technique_is_grazing(technique) ? 3e-3 : 0.03};
}

static double draw(const background_law *law, double level_counts, sl_random *random) {
    return law->at_all + level_counts * sl_random_log_range(random, law->least, law->most);
}

double sl_usual_background(sl_technique technique, double level_counts, sl_random *random) {
    const background_law law = law_of(technique);
    return draw(&law, level_counts, random);
}

double sl_usual_empty_background(double level_counts, sl_random *random) {
    return draw(&empty_law, level_counts, random);
}

double sl_usual_background_of_picture(const char *caption, double level_counts, double darkest_counts,
                                      sl_random *random) {
    background_law law =
        strcasestr(caption, "background only") ? empty_law : law_of(sl_technique_of_caption(caption));
    double least = law.at_all + level_counts * law.least, span = log1p(level_counts / SL_LOG_MAP_COUNTS);
    if (darkest_counts >= least || !(level_counts > 0)) return 0;
    double place = log1p(darkest_counts / SL_LOG_MAP_COUNTS) / span + alike;
    double share = (SL_LOG_MAP_COUNTS * expm1(place * span) - law.at_all) / level_counts;
    law.most = fmin(fmax(share, law.least), law.most);
    return draw(&law, level_counts, random);
}
