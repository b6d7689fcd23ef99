/* One simulated image from a program of one's own: counts as a PGM picture, truth as JSON.
 *
 *     simulate_one SEED INDEX PICTURE.pgm > truth.json
 *
 * The simulator alone is included; link with libscatterloop-core and what it depends on (see meson.build). */
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Log scale from no counts to the highest, masked pixels black. */
static int write_picture(const char *path, const sl_sim_sample *sample) {
    FILE *file = fopen(path, "wb");
    if (!file) return 1;
    size_t pixels = (size_t)sample->size_px * (size_t)sample->size_px;
    float top = 1;
    for (size_t i = 0; i < pixels; i++) top = fmaxf(top, sample->measured.value[i]);
    fprintf(file, "P5\n%d %d\n255\n", sample->size_px, sample->size_px);
    for (size_t i = 0; i < pixels; i++) {
        float counts = sample->measured.mask[i] ? 0 : fmaxf(sample->measured.value[i], 0);
        fputc((int)(255 * log1pf(counts) / log1pf(top)), file);
    }
    int failed = ferror(file);
    return fclose(file) || failed;
}

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: %s SEED INDEX PICTURE.pgm\n", words[0]);
        return 2;
    }
    /* a sphere or a cylinder, 50 to 90 angstrom in radius, at one station */
    static sl_sim_overrides given; /* zeroed: nothing is given; too large for small stacks */
    const sl_instrument *instrument;
    const char *const size[] = {"50", "90"}, *const form[] = {"sphere", "cylinder"};
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.class_id = SL_SIM_SAXS_FORM;
    options.overrides = &given;
    options.measure = true;

    sl_status status = sl_instrument_find("beamline-saxs", &instrument);
    if (!status) status = sl_sim_overrides_instrument(&given, instrument);
    if (!status) status = sl_sim_overrides_set(&given, SL_SIM_SAXS_FORM, SL_PARAMETER_SIZE_ANG, size, 2);
    if (!status) status = sl_sim_overrides_set(&given, SL_SIM_SAXS_FORM, SL_PARAMETER_FORM, form, 2);
    if (!status)
        status = sl_sim_sample_make(strtoull(words[1], NULL, 10), (uint32_t)strtoul(words[2], NULL, 10),
                                    &options, &sample);
    json_t *truth = status ? NULL : sl_sim_sample_truth(&sample);
    if (truth) {
        json_dumpf(truth, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
        putchar('\n');
    }
    int failed = !truth || write_picture(words[3], &sample);
    if (status) fprintf(stderr, "%s: %s\n", words[0], sl_error_message());
    json_decref(truth);
    sl_sim_sample_free(&sample);
    sl_sim_overrides_free(&given);
    return failed;
}
