/* What the physical tests catch: each injected fault at rising severity, on images that the limits were not
 * made from.
 *
 *     physical-power [IMAGES] [--blind]     (built by `ninja tools/physical-power`)
 *
 * Prints the tables of docs/physical-tests.md: first false alarms on IMAGES clean images, then a row a fault:
 * images, share to which its tests apply, share caught at each severity (by its own tests at 1 % each; by any
 * test, 1 % over all), and the severities at which its tests catch half and nine tenths. */
#include "base/memory.h"
#include "xray/physical_test.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 5 };
static const double severities[LEVELS] = {0.1, 0.25, 0.5, 0.75, 1};
static const uint64_t seed = 7002; /* not the calibration's */

static sl_status look(const sl_sim_sample *s, bool blind, sl_physical_result *out) {
    const sl_physical_input input =
        sl_physical_input_of(s, blind ? SL_STRATUM_BLIND : SL_STRATUM_GEOMETRY, NULL);
    return sl_physical_tests_run(&input, out);
}

/* Whether `id` is one of the words of `list`. */
static bool is_among(const char *list, const char *id) {
    size_t length = strlen(id);
    if (length == 0) return false;
    for (const char *at = list; (at = strstr(at, id)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == 0 || at[length] == ' ')) return true;
    return false;
}

typedef struct outcome {
    bool applies, own, any;
} outcome;

static outcome judge(const sl_physical_result *result, const char *artefact) {
    outcome out = {0};
    int applicable = 0;
    double least = 1;
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        const sl_physical_result *r = &result[t];
        if (!r->applicable) continue;
        applicable++;
        least = fmin(least, r->p);
        if (!is_among(sl_physical_artefacts((sl_physical_test)t), artefact)) continue;
        out.applies = true;
        out.own |= r->value > r->limit;
    }
    out.any = least * applicable <= 0.01;
    return out;
}

/* Where the caught share first reaches `share`, between the severities; NaN if never. */
static double severity_of(const int *caught, const int *tried, double share) {
    double last = 0, last_severity = 0;
    for (int k = 0; k < LEVELS; k++) {
        if (tried[k] == 0) continue;
        double now = (double)caught[k] / tried[k];
        if (now >= share && now > last)
            return last_severity + (severities[k] - last_severity) * (share - last) / (now - last);
        last = now, last_severity = severities[k];
    }
    return NAN;
}

static int write_row(sl_artefact_kind kind, int images, bool blind, sl_sim_sample *sample) {
    int tried[LEVELS] = {0}, applied[LEVELS] = {0}, own[LEVELS] = {0}, any[LEVELS] = {0}, all = 0,
        all_applied = 0;
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    for (int k = 0; all < images && k < 20 * images; k++) {
        sl_physical_result result[SL_PHYSICAL_COUNT];
        int level = all % LEVELS;
        if (sl_sim_sample_make(seed, (uint32_t)k, &options, sample)) return 1;
        if (!sl_artefact_applies(kind, sample)) continue;
        if (sl_artefact_inject(kind, severities[level], sample) || look(sample, blind, result)) return 1;
        outcome o = judge(result, sl_artefact_id(kind));
        all++, all_applied += o.applies;
        tried[level]++, applied[level] += o.applies, own[level] += o.own, any[level] += o.any;
    }
    printf("| %s | %s | %d | %.0f %% |", sl_artefact_id(kind), sl_artefact_words(kind), all,
           all ? 100.0 * all_applied / all : 0);
    for (int k = 0; k < LEVELS; k++)
        printf(" %.0f / %.0f |", applied[k] ? 100.0 * own[k] / applied[k] : 0,
               tried[k] ? 100.0 * any[k] / tried[k] : 0);
    for (int half = 1; half >= 0; half--) {
        double at = severity_of(own, applied, half ? 0.5 : 0.9);
        if (isnan(at))
            printf(" – |");
        else
            printf(" %.2f |", at);
    }
    printf("\n");
    return 0;
}

static int write_false_alarms(int images, bool blind, sl_sim_sample *sample) {
    int applied[SL_PHYSICAL_COUNT] = {0}, failed[SL_PHYSICAL_COUNT] = {0}, impossible = 0;
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.measure = true;
    for (int k = 0; k < images; k++) {
        sl_physical_result result[SL_PHYSICAL_COUNT];
        if (sl_sim_sample_make(seed, (uint32_t)k, &options, sample) || look(sample, blind, result)) return 1;
        for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
            applied[t] += result[t].applicable;
            failed[t] += result[t].applicable && result[t].value > result[t].limit;
        }
        impossible += judge(result, "").any;
    }
    printf("| test | applies to | false alarms |\n|---|---|---|\n");
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++)
        printf("| %s | %d of %d | %d (%.1f %%) |\n", sl_physical_id((sl_physical_test)t), applied[t], images,
               failed[t], applied[t] ? 100.0 * failed[t] / applied[t] : 0);
    printf("| all together | %d of %d | %d (%.1f %%) |\n\n", images, images, impossible,
           100.0 * impossible / images);
    return 0;
}

int main(int argc, char **argv) {
    int images = argc > 1 ? atoi(argv[1]) : 200;
    bool blind = argc > 2 && strcmp(argv[2], "--blind") == 0;
    sl_sim_sample sample = {0};
    if (images < 1) return 2;
    int failed = write_false_alarms(4 * images, blind, &sample);
    printf("| fault | | n | applies | 0.1 | 0.25 | 0.5 | 0.75 | 1 | half | nine tenths |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int kind = 0; kind < SL_ARTEFACT_COUNT && !failed; kind++)
        failed = write_row((sl_artefact_kind)kind, images, blind, &sample);
    sl_sim_sample_free(&sample);
    if (failed) fprintf(stderr, "physical-power: %s\n", sl_error_message());
    return failed;
}
