/* Pairs of clean and faulty simulated images. */
#include "transfer.h"

#include "base/memory.h"
#include "base/random/random.h"
#include "base/threads.h"
#include "loop/classify/feed_workspace.h"
#include "xray/simulate.h"

static const uint64_t seed = 7003; /* neither the limits' of the physical tests nor the backbone's */

/* Out of twenty seeds in a row: how many are of each part, and how many faults each of them gets. */
static const int seeds_of[PART_COUNT] = {10, 2, 3, 5}, faults_of[PART_COUNT] = {2, 2, 3, 8};
/* Fainter faults teach a classifier that what looks real is not (loop/classify/labels.c). */
static const double faint = 0.3;

static part part_of(int64_t seed_index) {
    int place = (int)(seed_index % 20), p = 0;
    while (place >= seeds_of[p]) place -= seeds_of[p++];
    return (part)p;
}

/* ---- one image ---- */

/* What is known of an image that was made here: technique, beam, and how it was measured. */
static sl_status look(const transfer_plan *plan, const sl_sim_sample *sample, picture *out) {
    sl_physical_input input =
        sl_physical_input_of(sample, plan->detector_unknown ? SL_STRATUM_BEAM : SL_STRATUM_GEOMETRY, NULL);
    SL_TRY(sl_physical_tests_run(&input, out->physics.result));
    sl_physics_summarise(&out->physics);
    SL_TRY(sl_alloc(&out->seen, (size_t)SEEN_PX * SEEN_PX, sizeof *out->seen));
    return sl_prepare_image(&sample->measured, SEEN_PX, out->seen);
}

/* `applies`: where not NULL, which faults the clean image can have. */
static sl_status make_picture(const transfer_plan *plan, picture *out, bool applies[SL_ARTEFACT_COUNT]) {
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    options.size_px = SIMULATED_PX;
    options.measure = true;
    sl_status status = sl_sim_sample_make(seed, (uint32_t)out->seed_index, &options, &sample);
    for (int f = 0; f < SL_ARTEFACT_COUNT && applies && !status; f++)
        applies[f] = sl_artefact_applies((sl_artefact_kind)f, &sample);
    if (!status && out->family != CLEAN)
        status = sl_artefact_inject((sl_artefact_kind)out->family, out->severity, &sample);
    if (!status && out->family != CLEAN) out->changed_px = sample.artefact[0].changed_px;
    if (!status) status = look(plan, &sample, out);
    sl_sim_sample_free(&sample);
    return status;
}

/* ---- many ---- */

typedef struct work {
    const transfer_plan *plan;
    picture *item;
    bool (*applies)[SL_ARTEFACT_COUNT];
} work;

static sl_status make_task(void *context, int64_t task, int worker) {
    const work *w = context;
    (void)worker;
    return sl_context(make_picture(w->plan, &w->item[task], w->applies ? w->applies[task] : NULL),
                      "image %lld", (long long)task);
}

static sl_status make_all(const transfer_plan *plan, picture *item, int64_t count,
                          bool (*applies)[SL_ARTEFACT_COUNT]) {
    work w = {plan, item, applies};
    return sl_parallel_try(count, make_task, &w);
}

/* Half of the faults for testing are strong (0.5 to 1), half weaker (from 0.1); the others are all visible.
 */
static double draw_severity(part p, int64_t so_far, sl_random *random) {
    if (p != PART_TEST) return sl_random_range(random, faint, 1);
    return so_far % 2 ? sl_random_range(random, 0.1, 0.5) : sl_random_range(random, 0.5, 1);
}

/* The faults of one clean image: of those that apply, the ones that its part has least of so far. */
static int plan_faults(const picture *clean, bool *applies, int64_t so_far[SL_ARTEFACT_COUNT], picture *out) {
    sl_random random = sl_random_stream(seed, SL_STREAM_TEST, (uint32_t)clean->seed_index);
    int count = 0;
    for (; count < faults_of[clean->part]; count++) {
        int chosen = CLEAN;
        for (int f = 0; f < SL_ARTEFACT_COUNT; f++)
            if (applies[f] && (chosen == CLEAN || so_far[f] < so_far[chosen])) chosen = f;
        if (chosen == CLEAN) break;
        applies[chosen] = false; /* once an image */
        out[count] = (picture){.seed_index = clean->seed_index, .part = clean->part, .family = chosen};
        out[count].severity = draw_severity(clean->part, so_far[chosen]++, &random);
    }
    return count;
}

static int64_t room_for(int64_t seeds) {
    int64_t count = 0;
    for (int64_t k = 0; k < seeds; k++) count += 1 + faults_of[part_of(k)];
    return count;
}

sl_status pictures_make(const transfer_plan *plan, pictures *out) {
    int64_t seeds = plan->seeds;
    int64_t so_far[PART_COUNT][SL_ARTEFACT_COUNT] = {{0}};
    bool(*applies)[SL_ARTEFACT_COUNT] = NULL;
    sl_status status;
    *out = (pictures){0};
    SL_GUARD(status, sl_alloc(&out->item, (size_t)room_for(seeds), sizeof *out->item), done);
    SL_GUARD(status, sl_alloc(&applies, (size_t)seeds, sizeof *applies), done);
    for (int64_t k = 0; k < seeds; k++)
        out->item[k] = (picture){.seed_index = k, .part = part_of(k), .family = CLEAN};
    out->count = seeds;
    SL_GUARD(status, make_all(plan, out->item, seeds, applies), done);
    for (int64_t k = 0; k < seeds; k++)
        out->count +=
            plan_faults(&out->item[k], applies[k], so_far[out->item[k].part], &out->item[out->count]);
    status = make_all(plan, out->item + seeds, out->count - seeds, NULL);
done:
    sl_free(applies);
    return status;
}

void pictures_free(pictures *all) {
    for (int64_t k = 0; k < all->count; k++) sl_free(all->item[k].seen);
    sl_free(all->item);
    *all = (pictures){0};
}
