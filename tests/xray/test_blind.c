#include "test.h"

#include "base/random/random.h"
#include "image/frame.h"
#include "shared.h"
#include "measured_frames.h"
#include "xray/blind.h"
#include "xray/simulate.h"
#include "xray/technique.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Rings of known centre, with a masked band and photon-like steps. */
static void rings_give_their_centre(void **state) {
    (void)state;
    static const double centres[][2] = {{64, 64}, {30.25, 80.5}, {100.75, 20}, {64, -9}, {140, 64}};
    for (size_t k = 0; k < sizeof centres / sizeof centres[0]; k++) {
        sl_image image;
        sl_blind_centre found;
        assert_ok(sl_image_new(128, 128, &image));
        for (int i = 0; i < 128; i++)
            for (int j = 0; j < 128; j++) {
                double r = hypot(i + 0.5 - centres[k][0], j + 0.5 - centres[k][1]);
                image.value[i * 128 + j] = (float)floor(20 + 200 * exp(-r / 40) * pow(sin(r / 7), 4));
                if (i >= 60 && i < 66) image.mask[i * 128 + j] = SL_MASK_GAP;
            }
        assert_ok(sl_blind_centre_find(&image, &found));
        double off = hypot(found.row_px - centres[k][0], found.column_px - centres[k][1]);
        if (off > 0.75) fail_msg("centre (%g, %g): off by %g px", centres[k][0], centres[k][1], off);
        assert_true(found.explained > 0.5 && found.explained <= 1);
        sl_image_free(&image);
    }
}

static void nothing_to_see_is_an_error(void **state) {
    (void)state;
    sl_image image;
    sl_blind_centre found;
    assert_ok(sl_image_new(64, 64, &image));
    assert_status(sl_blind_centre_find(&image, &found), SL_NUMERIC);
    for (int k = 0; k < 64 * 64; k++) image.mask[k] = SL_MASK_INVALID;
    assert_status(sl_blind_centre_find(&image, &found), SL_NUMERIC);
    sl_image_free(&image);
}

/* Whatever the image, the answer is a finite place or SL_NUMERIC. */
static void hostile_images_end_well(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 2}, {1, 300}, {300, 3}, {7, 5}, {33, 700}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int kind = 0; kind < 4; kind++) {
            sl_image image;
            sl_blind_look look;
            int count = sizes[k][0] * sizes[k][1];
            assert_ok(sl_image_new(sizes[k][0], sizes[k][1], &image));
            for (int i = 0; i < count; i++) {
                static const float odd[] = {NAN, INFINITY, -5, 3};
                image.value[i] = kind == 0   ? 7
                                 : kind == 1 ? odd[i % 4]
                                 : kind == 2 ? (float)(i * 37 % 11)
                                             : 0;
                if (kind == 3 && i == count / 2) image.value[i] = 1e9F;
                if (kind == 2 && i % 3 == 0) image.mask[i] = SL_MASK_INVALID;
            }
            sl_status status = sl_blind_look_at(&image, &look);
            assert_true(status == SL_OK || status == SL_NUMERIC);
            if (kind == 0) assert_int_equal(status, SL_NUMERIC);
            if (status == SL_OK) {
                assert_true(isfinite(look.centre.row_px) && isfinite(look.centre.column_px));
                assert_true(look.centre.probability >= 0 && look.centre.probability <= 1);
            }
            sl_image_free(&image);
        }
}

/* Noise has no centre and no technique, and the estimates say so. */
static void noise_is_declined(void **state) {
    (void)state;
    sl_image image;
    sl_blind_look look;
    sl_random random = sl_random_stream(1, SL_STREAM_TEST, 0);
    assert_ok(sl_image_new(200, 200, &image));
    for (int k = 0; k < 200 * 200; k++) image.value[k] = (float)sl_random_below(&random, 9);
    assert_ok(sl_blind_look_at(&image, &look));
    assert_false(look.centre.found);
    sl_image_free(&image);
}

/* What a mask says of beamstop and horizon changes nothing: measured files do not say it. */
static void the_mask_of_a_beamstop_is_not_looked_at(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_blind_look with, without;
    options.measure = true;
    options.class_id = SL_SIM_SAXS_FORM;
    assert_ok(sl_sim_sample_make(9101, 1, &options, &sample));
    assert_ok(sl_blind_look_at(&sample.measured, &with));
    for (int k = 0; k < sample.size_px * sample.size_px; k++)
        sample.measured.mask[k] &= (uint8_t) ~(SL_MASK_BEAMSTOP | SL_MASK_ARM | SL_MASK_HORIZON);
    assert_ok(sl_blind_look_at(&sample.measured, &without));
    assert_true(with.centre.row_px == without.centre.row_px &&
                with.centre.column_px == without.centre.column_px);
    assert_true(with.centre.probability == without.centre.probability);
    assert_int_equal(with.technique, without.technique);
    assert_memory_equal(with.probability, without.probability, sizeof with.probability);
    sl_sim_sample_free(&sample);
}

typedef struct tally {
    double beam[200], column[200];
    int beams, columns, answered, right, techniques, sure, sure_right;
} tally;

static void add(const sl_sim_sample *s, const sl_blind_look *look, tally *t) {
    double off = hypot(look->centre.row_px - s->beam_row_px, look->centre.column_px - s->beam_column_px);
    if (s->class_id == SL_SIM_EMPTY) return;
    t->techniques++;
    t->answered += look->technique != SL_TECHNIQUE_UNKNOWN;
    t->right += look->technique == s->technique;
    if (s->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] <= 0) return;
    if (s->is_grazing) {
        t->column[t->columns++] = fabs(look->grazing.specular_column_px - s->beam_column_px);
    } else {
        t->beam[t->beams++] = off;
        t->sure += look->centre.found;
        t->sure_right += look->centre.found && off <= 4;
    }
}

/* Of simulated images: the beam within a pixel in half and within four in nine of ten, whatever the estimate
 * says of itself; the specular column; the technique, where it is given. */
static void simulated_images_give_beam_and_technique(void **state) {
    (void)state;
    enum { IMAGES = 110 };
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    tally t = {0};
    options.measure = true;
    for (uint32_t k = 0; k < IMAGES; k++) {
        sl_blind_look look;
        assert_ok(sl_sim_sample_make(9100, k, &options, &sample));
        if (sl_blind_look_at(&sample.measured, &look) == SL_OK) add(&sample, &look, &t);
    }
    assert_true(t.beams > 40 && t.columns > 20);
    qsort(t.beam, (size_t)t.beams, sizeof *t.beam, ascending);
    qsort(t.column, (size_t)t.columns, sizeof *t.column, ascending);
    if (t.beam[t.beams / 2] > 1 || t.beam[t.beams * 9 / 10] > 4)
        fail_msg("median %.2f px, 90 %% within %.2f px", t.beam[t.beams / 2], t.beam[t.beams * 9 / 10]);
    if (t.column[t.columns / 2] > 1.5) fail_msg("specular column: median %.2f px", t.column[t.columns / 2]);
    if (t.sure_right < 0.9 * t.sure || t.sure < 0.7 * t.beams)
        fail_msg("found %d of %d, %d of them right", t.sure, t.beams, t.sure_right);
    if (t.right < 0.9 * t.answered || t.answered < 0.6 * t.techniques)
        fail_msg("technique: %d of %d answered, %d right", t.answered, t.techniques, t.right);
    sl_sim_sample_free(&sample);
}

/* Measured frames of which a calibration says where the beam is, within the frame: nine of ten within 4
 * pixels of an image of 256; at grazing incidence the column. No technique that is given is a grazing one
 * where the frame is of transmission, nor the reverse. */
static void measured_frames_give_beam_and_technique(void **state) {
    (void)state;
    if (SL_CORE_ONLY) skip_because("measured frames are TIFF, which a core-only build does not read");
    int known = 0, near = 0;
    for (size_t k = 0; k < sizeof measured / sizeof *measured; k++) {
        char name[256];
        sl_frame frame;
        sl_image image;
        sl_blind_look look;
        const sl_frame_request request = {NULL, 0};
        snprintf(name, sizeof name, "data/experimental/%s", measured[k].file);
        const char *path = shared_path(name);
        if (!path) skip_because("measured frames are not here");
        if (isnan(measured[k].row_px) || measured[k].column_px < 0) continue;
        assert_ok(sl_frame_read(path, &request, NULL, &frame));
        assert_ok(sl_frame_to_image(&frame, &image));
        sl_frame_free(&frame);
        assert_ok(sl_blind_look_at(&image, &look));
        bool grazing = sl_technique_is_grazing(measured[k].technique);
        double row = grazing ? 0 : look.centre.row_px - measured[k].row_px,
               column = (grazing ? look.grazing.specular_column_px : look.centre.column_px) -
                        measured[k].column_px;
        known++;
        near += hypot(row, column) <= 4.0 / 256 * fmax(image.height_px, image.width_px);
        if (look.technique != SL_TECHNIQUE_UNKNOWN)
            assert_int_equal(sl_technique_is_grazing(look.technique), grazing);
        sl_image_free(&image);
    }
    if (near < 0.9 * known) fail_msg("%d of %d beams found", near, known);
}

static void captions_name_their_technique(void **state) {
    (void)state;
    assert_int_equal(sl_technique_of_caption("GISAXS data showing peaks"), SL_TECHNIQUE_GISAXS);
    assert_int_equal(sl_technique_of_caption("giwaxs frame of P3HT"), SL_TECHNIQUE_GIWAXS);
    assert_int_equal(sl_technique_of_caption("SAXS data"), SL_TECHNIQUE_SAXS);
    assert_int_equal(sl_technique_of_caption("silver behenate, WAXS"), SL_TECHNIQUE_WAXS);
    assert_int_equal(sl_technique_of_caption("GIF of a cat"), SL_TECHNIQUE_UNKNOWN);
    assert_int_equal(sl_technique_of_caption(NULL), SL_TECHNIQUE_UNKNOWN);
    assert_true(sl_technique_is_grazing(SL_TECHNIQUE_GIWAXS) &&
                !sl_technique_is_grazing(SL_TECHNIQUE_UNKNOWN));
    assert_string_equal(sl_technique_name(SL_TECHNIQUE_WAXS), "WAXS");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_give_their_centre),
        cmocka_unit_test(nothing_to_see_is_an_error),
        cmocka_unit_test(hostile_images_end_well),
        cmocka_unit_test(noise_is_declined),
        cmocka_unit_test(the_mask_of_a_beamstop_is_not_looked_at),
        cmocka_unit_test(simulated_images_give_beam_and_technique),
        cmocka_unit_test(measured_frames_give_beam_and_technique),
        cmocka_unit_test(captions_name_their_technique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
