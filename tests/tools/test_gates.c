/* The gates' own arithmetic, on images and rows of which the answer is known. */
#include "test.h"

#include "../../tools/gates/gates.h"

#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float map[PIXELS];

static double noise(uint32_t item, int k) {
    sl_random random = sl_random_stream(5, SL_STREAM_TEST, item * 262144 + (uint32_t)k);
    return sl_random_normal(&random);
}

/* A halo with some noise; blocks of 8 pixels lie higher or lower by a random height. */
static void draw_map(uint32_t item, double step) {
    sl_random random = sl_random_stream(4, SL_STREAM_TEST, item);
    double offset[SIDE_PX / 8][SIDE_PX / 8];
    for (int b = 0; b < SIDE_PX * SIDE_PX / 64; b++)
        offset[b / 32][b % 32] = step * sl_random_normal(&random);
    for (int k = 0; k < PIXELS; k++) {
        int row = k / SIDE_PX, column = k % SIDE_PX;
        double r = hypot(row - 100, column - 140);
        map[k] = (float)(0.8 * exp(-r / 60) + 0.01 * sl_random_normal(&random) + offset[row / 8][column / 8]);
    }
}

static double mean_grid(double step) {
    double sum = 0;
    for (uint32_t item = 0; item < 8; item++) draw_map(item, step), sum += grid_measure(map) / 8;
    return sum;
}

static void steps_between_blocks_show_as_a_grid(void **state) {
    (void)state;
    double clean = mean_grid(0);
    assert_true(clean > -4 && clean < -1);
    assert_true(mean_grid(0.01) > clean + 3);
    assert_true(mean_grid(0.03) > mean_grid(0.01) + 3);
}

/* A place that every block has at its first pixel, the same everywhere. */
static void a_repeated_mark_shows_as_a_grid(void **state) {
    (void)state;
    draw_map(1, 0);
    double clean = grid_measure(map);
    for (int k = 0; k < PIXELS; k += 8) map[k] += 0.02f;
    assert_true(grid_measure(map) > clean + 5);
}

/* An image that was told of nothing does not count. */
static void the_share_of_marks_is_of_images_that_were_told(void **state) {
    (void)state;
    image_row *row = calloc(4, sizeof *row);
    row[0].told = 5, row[0].found = 3, row[1].told = 1, row[1].found = 1, row[3].told = 2;
    sl_estimate share = marks_share(&(image_rows){row, 4});
    assert_int_equal(share.n, 3);
    assert_true(fabs(share.value - 1.6 / 3) < 1e-12 && share.low < share.value && share.high > share.value);
    assert_true(isnan(marks_share(&(image_rows){row + 2, 2}).value));
    free(row);
}

static int claim_of(const char *words) {
    for (int c = 0; c < claims_count(); c++)
        if (strcmp(claims_words(c), words) == 0) return c;
    fail_msg("no claim '%s'", words);
    return 0;
}

static int say(const char *words, const char *caption) {
    return claims_say(claim_of(words), caption);
}

static void captions_are_read(void **state) {
    (void)state;
    const char
        *powder =
            "WAXS data showing rings and a halo with a beamstop at the top left; few rings; sharp; spotty; "
            "beam at the top left",
        *film = "GIWAXS data showing arcs, a halo and a specular rod; broad; beam outside",
        *grating = "GISAXS data showing peaks and a Yoneda band",
        *hidden = "SAXS data showing rings with a beamstop at the bottom; beam outside",
        *plain = "SAXS data showing fringes; many rings";
    assert_int_equal(say("WAXS", powder), 1);
    assert_int_equal(say("GIWAXS", powder), -1);
    assert_int_equal(say("rings", powder), 1);
    assert_int_equal(say("rings", plain), -1); /* a tag is no word of the list */
    assert_int_equal(say("spots", powder), -1);
    assert_int_equal(say("spots", grating), 0);
    assert_int_equal(say("arcs", powder), -1);
    assert_int_equal(say("arcs", grating), 0);
    assert_int_equal(say("arcs", film), 1);
    assert_int_equal(say("few rings", powder), 1);
    assert_int_equal(say("many rings", powder), -1);
    assert_int_equal(say("many rings", plain), 1);
    assert_int_equal(say("few rings", film), 0);
    assert_int_equal(say("sharp", powder), 1);
    assert_int_equal(say("sharp", film), -1);
    assert_int_equal(say("sharp", plain), 0);
    assert_int_equal(say("a specular rod", film), 1);
    assert_int_equal(say("a specular rod", grating), 0);
    assert_int_equal(say("a specular rod", plain), -1);
    assert_int_equal(say("beam outside", film), 1);
    assert_int_equal(say("beam outside", powder), -1);
    assert_int_equal(say("beam at the top", powder), 1);
    assert_int_equal(say("beam at the right", powder), -1);
    assert_int_equal(say("beam at the left", film), 0);
    assert_int_equal(say("beam at the left", plain), 0);
    assert_int_equal(say("beam outside", hidden), 1);
    assert_int_equal(say("beam at the bottom", hidden), 0);
}

/* What the caption leaves out is known of a simulated image. */
static void images_teach_the_truth(void **state) {
    (void)state;
    static image_row row;
    static const struct {
        int rings, few, several, many;
    } counted[] = {{0, 0, 0, 0},   {1, 1, -1, -1}, {3, 1, -1, -1},
                   {4, -1, 1, -1}, {6, -1, 1, -1}, {7, -1, -1, 1}};
    strcpy(row.caption, "WAXS data showing rings");
    for (size_t k = 0; k < sizeof counted / sizeof *counted; k++) {
        row.truth[SL_SIM_ATTRIBUTE_RING_COUNT] = (float)(log2(1 + counted[k].rings) / 4);
        assert_int_equal(claims_teach(claim_of("few rings"), &row), counted[k].few);
        assert_int_equal(claims_teach(claim_of("several rings"), &row), counted[k].several);
        assert_int_equal(claims_teach(claim_of("many rings"), &row), counted[k].many);
    }
    assert_int_equal(claims_teach(claim_of("beam outside"), &row), 1);
    assert_int_equal(claims_teach(claim_of("beam at the top"), &row), 0);
    row.truth[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] = 1;
    row.truth[SL_SIM_ATTRIBUTE_CENTRE_ROW] = 0.7f;
    row.truth[SL_SIM_ATTRIBUTE_CENTRE_COLUMN] = 0.5f;
    assert_int_equal(claims_teach(claim_of("beam outside"), &row), -1);
    assert_int_equal(claims_teach(claim_of("beam at the top"), &row), -1);
    assert_int_equal(claims_teach(claim_of("beam at the bottom"), &row), 1);
    assert_int_equal(claims_teach(claim_of("beam half way across"), &row), 1);
    assert_int_equal(claims_teach(claim_of("rods"), &row), -1);
    row.truth[SL_SIM_ATTRIBUTE_RODS] = 1;
    assert_int_equal(claims_teach(claim_of("rods"), &row), 1);
    assert_int_equal(claims_teach(claim_of("sharp"), &row), 0);
    assert_int_equal(claims_teach(claim_of("rings"), &row), 1);
}

static void scores_become_calls(void **state) {
    (void)state;
    const double score[] = {0.9, 0.8, 0.7, 0.6, 0.5, 0.4};
    const int label[] = {1, 1, 0, -1, 1, -1};
    /* all three above 0.45 with one mistake: 6/7; the upper two alone: 4/5 */
    assert_true(fabs(f1_threshold(score, label, 6) - 0.45) < 1e-12);
    assert_true(fabs(f1_of(3, 1, 0) - 6.0 / 7) < 1e-12);
    assert_true(isnan(f1_of(0, 0, 0)));
}

/* ---- rows ---- */

enum { ROWS = 240 };

static image_rows make_rows(uint32_t item, double shift) {
    image_rows rows = {.count = ROWS};
    assert_ok(sl_alloc(&rows.row, ROWS, sizeof *rows.row));
    for (int i = 0; i < ROWS; i++) {
        image_row *row = &rows.row[i];
        sl_random random = sl_random_stream(6, SL_STREAM_TEST, item * ROWS + (uint32_t)i);
        bool wide = i / 2 % 2;
        snprintf(row->caption, sizeof row->caption, "%s data showing rings", wide ? "WAXS" : "SAXS");
        row->technique = wide ? SL_TECHNIQUE_WAXS : SL_TECHNIQUE_SAXS;
        for (int k = 0; k < SL_IMAGE_FEATURE_COUNT; k++) row->feature[k] = shift + noise(item, i * 128 + k);
        for (int k = 0; k < 8; k++)
            row->backbone[k] = (float)((wide ? 1 : -1) + noise(item + 1000, i * 128 + k));
        for (int k = 0; k < SMALL_PIXELS; k++)
            row->small[k] = (float)(0.5 + 0.1 * noise(item + 2000, i * SMALL_PIXELS + k));
        for (int k = 0; k < SL_FINGERPRINT_WORDS; k++) row->looks.bits[k] = sl_random_u64(&random);
    }
    return rows;
}

static void sets_of_one_kind_are_near(void **state) {
    (void)state;
    image_rows reference = make_rows(1, 0), sets[] = {make_rows(2, 0), make_rows(3, 0.5), {0}};
    sl_estimate found[3][FIGURE_COUNT];
    assert_ok(set_figures_measure(sets, 3, &reference, 100, found));
    const sl_estimate *same = found[0], *other = found[1];
    assert_true(same[FIGURE_KID].low < 0 && same[FIGURE_KID].high > 0);
    assert_true(other[FIGURE_KID].low > same[FIGURE_KID].high);
    assert_true(fabs(same[FIGURE_DENSITY].value - 1) < 0.2 && same[FIGURE_COVERAGE].value > 0.85);
    assert_true(other[FIGURE_COVERAGE].value < same[FIGURE_COVERAGE].value);
    assert_true(fabs(other[FIGURE_SPECTRUM].value - 0.5) < 0.1 && same[FIGURE_SPECTRUM].value < 0.2);
    assert_true(isnan(found[2][FIGURE_KID].value));
    rows_free(&reference), rows_free(&sets[0]), rows_free(&sets[1]);
}

enum { JUDGED = 600, JUDGED_CLAIMS = 2 };

/* Right answers about the last third of the rows, of a judge taught by the others. */
static double right_answers(const sl_points *points, int *const *label, int claim, const int *truth,
                            int threads, double *const *score) {
    int64_t row[JUDGED];
    int right = 0;
    for (int i = 0; i < JUDGED; i++) row[i] = i;
    const sl_rows taught = {row, JUDGED * 2 / 3}, asked = {row + JUDGED * 2 / 3, JUDGED / 3};
    const claim_lesson lesson = {points, label, JUDGED_CLAIMS};
    caption_judge *judge;
    assert_ok(sl_threads_set(threads));
    assert_ok(caption_judge_new(&lesson, &taught, NULL, &judge));
    assert_ok(caption_judge_ask(judge, &asked, score));
    caption_judge_free(judge);
    for (int i = JUDGED * 2 / 3; i < JUDGED; i++) right += (score[claim][i] > 0) == (truth[i] > 0);
    return right / (JUDGED / 3.0);
}

/* The first claim is true where two columns have one sign, which no line tells; of the second nothing is
 * known. */
static void a_judge_learns_what_no_line_tells(void **state) {
    (void)state;
    static int known[JUDGED], unknown[JUDGED];
    static double first[JUDGED_CLAIMS][JUDGED], second[JUDGED_CLAIMS][JUDGED];
    int *const label[] = {known, unknown};
    double *const score[] = {first[0], first[1]}, *const again[] = {second[0], second[1]};
    sl_points points;
    assert_ok(sl_points_new(JUDGED, 8, &points));
    for (int i = 0; i < JUDGED; i++) {
        double *at = points.at + i * 8;
        for (int k = 0; k < 8; k++) at[k] = noise(77, i * 8 + k);
        known[i] = at[0] * at[1] > 0 ? 1 : -1;
    }
    assert_true(right_answers(&points, label, 0, known, 1, score) > 0.85);
    right_answers(&points, label, 0, known, 2, again);
    assert_memory_equal(first, second, sizeof first);
    const claim_lesson lesson = {&points, label, JUDGED_CLAIMS};
    caption_judge *judge;
    assert_status(caption_judge_new(&lesson, &(sl_rows){NULL, 0}, NULL, &judge), SL_INVALID);
    sl_points_free(&points);
}

static void what_captions_say_is_learnt(void **state) {
    (void)state;
    gates g = {.count = ROWS};
    obedience *found = calloc(1, sizeof *found);
    g.set[SET_REFERENCE] = make_rows(1, 0);
    g.set[SET_CLEAN] = make_rows(2, 0);
    g.set[SET_SAMPLES] = make_rows(3, 0);
    g.set[SET_ROUND_TRIP] = make_rows(4, 0);
    g.set[SET_UNTRAINED] = make_rows(5, 0);
    /* the samples show the other technique in every second group of four */
    for (int i = 0; i < ROWS; i += 8)
        for (int k = 0; k < 2; k++) {
            float kept[BACKBONE_FEATURES];
            memcpy(kept, g.set[SET_SAMPLES].row[i + k].backbone, sizeof kept);
            memcpy(g.set[SET_SAMPLES].row[i + k].backbone, g.set[SET_SAMPLES].row[i + 3 - k].backbone,
                   sizeof kept);
            memcpy(g.set[SET_SAMPLES].row[i + 3 - k].backbone, kept, sizeof kept);
        }
    assert_ok(obedience_measure(&g, found));
    assert_int_equal(found->claims, 2); /* all say rings, none says a beam's place */
    assert_string_equal(found->claim[0].claim, "SAXS");
    assert_int_equal(found->claim[0].said[0], ROWS / 2);
    assert_true(found->limit.low > 0.95 && found->round_trip.value > 0.95);
    assert_true(found->samples.high < 0.7);
    for (int s = 0; s < SET_COUNT; s++) rows_free(&g.set[s]);
    free(found);
}

static void copies_are_found(void **state) {
    (void)state;
    image_rows training = make_rows(11, 0), clean = make_rows(12, 0), made = make_rows(13, 0);
    copies found;
    double nearest[ROWS], second[ROWS];
    assert_ok(copies_measure(&made, &clean, &training, &found));
    assert_int_equal(copies_twins(&made), 0);
    double honest = found.ratio.value;
    for (int i = 0; i < ROWS / 4; i++) {
        made.row[i] = training.row[i];
        made.row[i].small[0] += 0.001f;
    }
    made.row[ROWS - 1] = made.row[ROWS - 2];
    copies_nearest(&made, &training, nearest, second);
    assert_true(nearest[3] < 1e-4 && nearest[ROWS - 1] > 1e-4);
    assert_ok(copies_measure(&made, &clean, &training, &found));
    assert_true(found.near.value >= 0.25 && found.ratio.value >= 0.25 && honest < 0.1);
    assert_true(found.near.low > 0.15 && found.near.high < 0.4);
    assert_int_equal(copies_twins(&made), 2);
    rows_free(&training), rows_free(&clean), rows_free(&made);
}

static void shares_below_a_quantile(void **state) {
    (void)state;
    double held[100], values[] = {-1, 0.5, 50, 99};
    for (int i = 0; i < 100; i++) held[i] = i;
    assert_true(fabs(copies_below(values, 4, held, 100, 0.01) - 0.25) < 1e-12);
    assert_true(fabs(copies_below(held, 100, held, 100, 0.5) - 0.49) < 1e-12);
}

static void an_interval_across_the_target_leaves_it_open(void **state) {
    (void)state;
    const sl_estimate figure = {0.5, 0.4, 0.6, 10, ""}, nothing = {NAN, NAN, NAN, 0, ""};
    assert_int_equal(gate_judge(&figure, 0.6, true), GATE_PASSED);
    assert_int_equal(gate_judge(&figure, 0.55, true), GATE_OPEN);
    assert_int_equal(gate_judge(&figure, 0.39, true), GATE_FAILED);
    assert_int_equal(gate_judge(&figure, 0.4, false), GATE_PASSED);
    assert_int_equal(gate_judge(&figure, 0.45, false), GATE_OPEN);
    assert_int_equal(gate_judge(&figure, 0.61, false), GATE_FAILED);
    assert_int_equal(gate_judge(&nothing, 0.5, true), GATE_OPEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_between_blocks_show_as_a_grid),
        cmocka_unit_test(a_repeated_mark_shows_as_a_grid),
        cmocka_unit_test(the_share_of_marks_is_of_images_that_were_told),
        cmocka_unit_test(captions_are_read),
        cmocka_unit_test(images_teach_the_truth),
        cmocka_unit_test(scores_become_calls),
        cmocka_unit_test(sets_of_one_kind_are_near),
        cmocka_unit_test(a_judge_learns_what_no_line_tells),
        cmocka_unit_test(what_captions_say_is_learnt),
        cmocka_unit_test(copies_are_found),
        cmocka_unit_test(shares_below_a_quantile),
        cmocka_unit_test(an_interval_across_the_target_leaves_it_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
