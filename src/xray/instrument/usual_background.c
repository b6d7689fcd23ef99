#include "xray/instrument/usual_background.h"

#include "xray/log_map.h"

#include <math.h>

/* Shares of the level below this look alike in the log map: models draw no finer. */
static const float alike = 0.01f;

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
        sl_technique_shows_nothing(caption) ? empty_law : law_of(sl_technique_of_caption(caption));
    float darkest = (float)darkest_counts, place, brightest;
    if (darkest_counts >= law.at_all + level_counts * law.least) return 0;
    sl_log_map_encode(&darkest, 1, level_counts, &place);
    place += alike;
    sl_log_map_decode(&place, 1, level_counts, &brightest);
    double share = ((double)brightest - law.at_all) / level_counts;
    law.most = fmin(fmax(share, law.least), law.most);
    return draw(&law, level_counts, random);
}
