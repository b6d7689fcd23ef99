/* Marks are drawn of which the caption is true. */
#include "test.h"

#include "loop/generate/usual_sketch.h"
#include "loop/simulate/sketch_of_sample.h"

#include <math.h>
#include <string.h>

enum { SIZE = 256, DRAWS = 6 };

static const sl_direct_beam middle = {true, 120, 131};

static sl_sketch drawn(const char *caption, uint64_t seed) {
    sl_sketch sketch;
    assert_ok(sl_usual_sketch_draw(caption, &middle, SIZE, seed, &sketch));
    return sketch;
}

static int count_of(const sl_sketch *sketch, sl_sketch_kind kind) {
    int count = 0;
    for (int i = 0; i < sketch->count; i++) count += sketch->mark[i].kind == kind;
    return count;
}

static void a_sketch_is_what_can_be_seen(void **state) {
    (void)state;
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    for (uint32_t i = 0; i < 30; i++) {
        sl_sketch sketch;
        int seen = 0;
        assert_ok(sl_sim_sample_make(3, i, &options, &sample));
        sl_sketch_of_sample(&sample, &sketch);
        assert_true(sketch.known);
        for (int k = 0; k < sample.feature_count; k++) {
            const sl_feature *f = &sample.feature[k];
            bool told = f->kind == SL_FEATURE_RING || f->kind == SL_FEATURE_ARC || f->kind == SL_FEATURE_SPOT;
            if (!told || !f->visible) continue;
            const sl_sketch_mark *mark = &sketch.mark[seen];
            double place = f->kind == SL_FEATURE_SPOT ? f->row_px + f->column_px : f->radius_px;
            assert_true(seen < sketch.count);
            assert_true(fabs((double)(mark->row_px + mark->column_px + mark->radius_px) - place) < 2e-3);
            assert_true(fabs((double)mark->width_px - f->width_px) < 1e-3);
            seen++;
        }
        assert_int_equal(sketch.count, seen);
    }
    sl_sim_sample_free(&sample);
}

static void lines_of_a_lattice_keep_their_ratio(void **state) {
    (void)state;
    int pairs = 0;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        sl_sketch sketch =
            drawn("SAXS data showing rings; lamellar; several rings; beam in the center", seed);
        if (!sketch.known) continue;
        assert_in_range(count_of(&sketch, SL_SKETCH_RING), 4, 6);
        for (int i = 1; i < sketch.count; i++) {
            double order = (double)(sketch.mark[i].radius_px / sketch.mark[0].radius_px);
            /* radii are tangents */
            if (fabs(order / round(order) - 1) > 0.02) fail_msg("order %g of a lamellar phase", order);
            pairs++;
        }
    }
    assert_true(pairs >= 6);
}

static void marks_are_as_many_as_the_caption_says(void **state) {
    (void)state;
    int known = 0;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        sl_sketch few = drawn("WAXS data showing rings and a halo; few rings; sharp", seed),
                  many = drawn("WAXS data showing arcs; many rings", seed),
                  none = drawn("SAXS data showing fringes with a beamstop in the center; noise low", seed),
                  spots = drawn("WAXS data showing spots and a halo", seed);
        known += few.known + many.known + none.known + spots.known;
        if (few.known) assert_in_range(few.count, 1, 3);
        if (many.known) assert_true(many.count > 6 && count_of(&many, SL_SKETCH_ARC) > 0);
        if (none.known) assert_int_equal(none.count, 0);
        if (spots.known) assert_true(count_of(&spots, SL_SKETCH_SPOT) >= 4);
        double sharpest = INFINITY;
        for (int i = 0; i < few.count; i++) sharpest = fmin(sharpest, (double)few.mark[i].width_px);
        if (few.known) assert_true(sharpest < 5);
    }
    if (known < 4 * DRAWS - 6) fail_msg("%d of %d captions have a sketch", known, 4 * DRAWS);
}

static void a_draw_can_be_made_again(void **state) {
    (void)state;
    const char *caption = "GIWAXS data showing arcs and a halo; polymer film";
    sl_sketch first = drawn(caption, 5), again = drawn(caption, 5), other = drawn(caption, 6);
    assert_true(first.known && other.known);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(memcmp(&first, &other, sizeof first) != 0);
}

static void marks_grow_with_the_image(void **state) {
    (void)state;
    const char *caption = "SAXS data showing rings; hexagonal";
    sl_sketch small = drawn(caption, 3), large;
    const sl_direct_beam beam = {true, 2 * middle.row_px, 2 * middle.column_px};
    assert_ok(sl_usual_sketch_draw(caption, &beam, 2 * SIZE, 3, &large));
    assert_true(small.known && small.count > 0 && large.count == small.count);
    for (int i = 0; i < small.count; i++) {
        assert_true(fabs((double)(large.mark[i].radius_px - 2 * small.mark[i].radius_px)) < 0.01);
        assert_true(fabs((double)(large.mark[i].width_px - 2 * small.mark[i].width_px)) < 0.01);
    }
}

static void what_the_simulator_has_no_words_for_is_left_open(void **state) {
    (void)state;
    sl_sketch sketch;
    assert_false(drawn("a cat", 1).known);
    assert_false(drawn("SAXS data showing rings; quasicrystal", 1).known);
    assert_false(drawn("SAXS data of sample 12", 1).known);
    assert_ok(sl_usual_sketch_draw("SAXS data showing rings", &(sl_direct_beam){0}, SIZE, 1, &sketch));
    assert_false(sketch.known);
    assert_ok(
        sl_usual_sketch_draw("SAXS data showing rings", &(sl_direct_beam){true, 9e4, 0}, SIZE, 1, &sketch));
    assert_false(sketch.known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sketch_is_what_can_be_seen),
        cmocka_unit_test(lines_of_a_lattice_keep_their_ratio),
        cmocka_unit_test(marks_are_as_many_as_the_caption_says),
        cmocka_unit_test(a_draw_can_be_made_again),
        cmocka_unit_test(marks_grow_with_the_image),
        cmocka_unit_test(what_the_simulator_has_no_words_for_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
