#include "xray/caption/words.h"

#include "xray/technique.h"

#include <math.h>
#include <string.h>

static const char *const texts[SL_CAPTION_CLAIMS] = {
    [SL_CAPTION_GRAZING] = "grazing incidence",
    [SL_CAPTION_WIDE] = "wide angles",
#define SL_CAPTION_WORD(name, text, attribute) [SL_CAPTION_##name] = text,
#include "xray/caption/word.def"
#undef SL_CAPTION_WORD
    [SL_CAPTION_PLACE] = "the beam there",
};

/* What is usual of each feature: mean and spread over the images of the fit. */
static const double usual[SL_CAPTION_EVIDENCE][2] = {
#define SL_CAPTION_FEATURE(index, mean, spread) [index] = {mean, spread},
#define SL_CAPTION_MODEL(word, constant, ...)
#define SL_CAPTION_WEIGHT(claim, weight)
#include "xray/caption/model.def"
#undef SL_CAPTION_FEATURE
#undef SL_CAPTION_MODEL
#undef SL_CAPTION_WEIGHT
};

static const struct {
    double constant, weight[SL_CAPTION_EVIDENCE];
} models[SL_CAPTION_WORD_COUNT] = {
#define SL_CAPTION_FEATURE(index, mean, spread)
#define SL_CAPTION_MODEL(word, constant, ...) [word] = {constant, __VA_ARGS__},
#define SL_CAPTION_WEIGHT(claim, weight)
#include "xray/caption/model.def"
#undef SL_CAPTION_FEATURE
#undef SL_CAPTION_MODEL
#undef SL_CAPTION_WEIGHT
};

static const double weights[SL_CAPTION_CLAIMS] = {
#define SL_CAPTION_FEATURE(index, mean, spread)
#define SL_CAPTION_MODEL(word, constant, ...)
#define SL_CAPTION_WEIGHT(claim, weight) [claim] = weight,
#include "xray/caption/model.def"
#undef SL_CAPTION_FEATURE
#undef SL_CAPTION_MODEL
#undef SL_CAPTION_WEIGHT
};

const char *sl_caption_claim_text(int claim) {
    return claim >= 0 && claim < SL_CAPTION_CLAIMS ? texts[claim] + (texts[claim][0] == ' ') : "?";
}

int sl_caption_says(const char *caption, sl_caption_word word) {
    sl_technique technique = sl_technique_of_caption(caption);
    if (!caption) return 0;
    if (word > SL_CAPTION_WIDE) return strstr(caption, texts[word]) ? 1 : 0;
    if (technique == SL_TECHNIQUE_UNKNOWN) return 0;
    if (word == SL_CAPTION_GRAZING) return sl_technique_is_grazing(technique) ? 1 : -1;
    return technique == SL_TECHNIQUE_WAXS || technique == SL_TECHNIQUE_GIWAXS ? 1 : -1;
}

double sl_caption_word_probability(sl_caption_word word, const double evidence[SL_CAPTION_EVIDENCE]) {
    double sum = models[word].constant;
    for (int k = 0; k < SL_CAPTION_EVIDENCE; k++) {
        double z = isfinite(evidence[k]) ? (evidence[k] - usual[k][0]) / usual[k][1] : 0;
        /* far beyond what the fit has seen a straight line says nothing */
        sum += models[word].weight[k] * fmax(-4, fmin(4, z));
    }
    /* and no regression on thousands of images tells more than a few in thousand */
    return 1 / (1 + exp(-fmax(-6, fmin(6, sum))));
}

int sl_caption_doubts(const char *caption, const double evidence[SL_CAPTION_EVIDENCE],
                      const sl_caption_beam *beam, double out[SL_CAPTION_CLAIMS]) {
    int made = 0;
    for (int w = 0; w < SL_CAPTION_WORD_COUNT; w++) {
        int says = sl_caption_says(caption, (sl_caption_word)w);
        double p = says ? sl_caption_word_probability((sl_caption_word)w, evidence) : 1;
        out[w] = -log(says < 0 ? 1 - p : p);
        made += says != 0;
    }
    const sl_caption_place place = sl_caption_place_of(caption);
    double p = sl_caption_place_probability(&place, beam);
    out[SL_CAPTION_PLACE] = isnan(p) ? 0 : -log(p);
    return made + !isnan(p);
}

double sl_caption_weight(int claim) {
    return claim >= 0 && claim < SL_CAPTION_CLAIMS ? weights[claim] : 0;
}
