/* How well the blind estimates hold, on images that their numbers were not made from.
 *
 *     blind-accuracy [IMAGES]              (built by `ninja tools/blind-accuracy`)
 *     blind-accuracy frames FOLDER         measured frames of tests/xray/measured_frames.def
 *
 * Prints the tables of docs/blind.md: the beam's place by class, what is defined at grazing incidence, the
 * techniques' confusion. Intervals are Wilson's (1927), 95 %. */
#include "base/memory.h"
#include "base/numeric/sort.h"
#include "image/frame.h"
#include "../tests/xray/measured_frames.h"
#include "xray/blind.h"
#include "xray/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t seed = 7102; /* not that of blind-fit */

enum { CLASSES = 64 };

static void print_share(double hits, double of) {
    double z = 1.96, p = of > 0 ? hits / of : 0, n = fmax(of, 1), scale = 1 / (1 + z * z / n);
    double middle = (p + z * z / (2 * n)) * scale,
           half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) * scale;
    printf(" %.0f (%.0f to %.0f) |", 100 * p, 100 * fmax(0, middle - half), 100 * fmin(1, middle + half));
}

/* Distances of a class, and which of them were said to be found. */
typedef struct distances {
    double *all, *found;
    int count, found_count;
} distances;

static sl_status new_distances(int most, distances *out) {
    SL_TRY(sl_alloc(&out->all, 2 * (size_t)most, sizeof(double)));
    out->found = out->all + most;
    return SL_OK;
}

static void add_distance(distances *d, double off, bool found) {
    d->all[d->count++] = off;
    if (found) d->found[d->found_count++] = off;
}

static double within(const double *values, int count, double limit) {
    int hits = 0;
    for (int k = 0; k < count; k++) hits += values[k] <= limit;
    return hits;
}

static double median_of(double *values, int count) {
    if (count == 0) return NAN;
    sl_sort_doubles(values, (size_t)count);
    return values[count / 2];
}

static void print_distances(const char *name, distances *d) {
    static const double limits[] = {1, 4, 10};
    if (d->count == 0) return;
    printf("| %s | %d | %.2f |", name, d->count, median_of(d->all, d->count));
    for (int k = 0; k < 3; k++) print_share(within(d->all, d->count, limits[k]), d->count);
    printf(" %d |", d->count - d->found_count);
    print_share(within(d->found, d->found_count, 4), d->found_count);
    printf("\n");
}

static const char distances_head[] = "| | n | median px | within 1 px, % | within 4 px, % | within 10 px, % "
                                     "| declined | of the others within 4 "
                                     "px, % |\n|---|---|---|---|---|---|---|---|\n";

typedef struct tables {
    distances beam[CLASSES], all_beams, empty, outside, column, horizon, row, stop;
    int technique[SL_TECHNIQUE_UNKNOWN][SL_TECHNIQUE_UNKNOWN + 1], best[SL_TECHNIQUE_UNKNOWN],
        empty_technique[SL_TECHNIQUE_UNKNOWN + 1];
} tables;

static sl_technique likeliest(const sl_blind_look *look) {
    int best = 0;
    for (int t = 1; t < SL_TECHNIQUE_UNKNOWN; t++)
        if (look->probability[t] > look->probability[best]) best = t;
    return (sl_technique)best;
}

/* The row of the horizon as the simulator records it; negative without one in the frame. */
static double horizon_of(const sl_sim_sample *s) {
    for (int k = 0; k < s->feature_count; k++)
        if (s->feature[k].kind == SL_FEATURE_HORIZON && s->feature[k].visible) return s->feature[k].row_px;
    return -1;
}

static void add_grazing(const sl_sim_sample *s, const sl_blind_look *look, tables *t) {
    const sl_blind_grazing *g = &look->grazing;
    double side = s->size_px, horizon = horizon_of(s);
    if (s->beam_column_px > 0.04 * side && s->beam_column_px < 0.96 * side)
        add_distance(&t->column, fabs(g->specular_column_px - s->beam_column_px), g->mirror > 0.3);
    if (horizon > 0 && horizon < side)
        add_distance(&t->horizon, fabs(g->horizon_row_px - horizon), g->horizon_step > 0.3);
    if (s->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0)
        add_distance(&t->row, isnan(g->beam_row_px) ? INFINITY : fabs(g->beam_row_px - s->beam_row_px),
                     !isnan(g->beam_row_px));
}

static void add_sample(const sl_sim_sample *s, const sl_blind_look *look, tables *t) {
    double off = hypot(look->centre.row_px - s->beam_row_px, look->centre.column_px - s->beam_column_px);
    const sl_beamstop *stop = &s->measurement.beamstop;
    if (stop->shape != SL_BEAMSTOP_NONE && s->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0)
        add_distance(&t->stop,
                     hypot(look->stop.row_px - stop->row_px, look->stop.column_px - stop->column_px),
                     look->stop.contrast > 2);
    if (s->class_id == SL_SIM_EMPTY) {
        add_distance(&t->empty, off, look->centre.found);
        t->empty_technique[look->technique]++;
        return;
    }
    t->technique[s->technique][look->technique]++;
    t->best[s->technique] += likeliest(look) == s->technique;
    if (s->is_grazing) {
        add_grazing(s, look, t);
    } else if (s->attribute[SL_SIM_ATTRIBUTE_CENTRE_INSIDE] > 0) {
        add_distance(&t->beam[s->class_id], off, look->centre.found);
        add_distance(&t->all_beams, off, look->centre.found);
    } else {
        add_distance(&t->outside, off, look->centre.found);
    }
}

static void print_techniques(const tables *t) {
    int answered = 0, right = 0, all = 0, best = 0;
    printf("\n| | n | SAXS | WAXS | GISAXS | GIWAXS | unknown |\n|---|---|---|---|---|---|---|\n");
    for (int k = 0; k < SL_TECHNIQUE_UNKNOWN; k++) {
        int n = 0;
        for (int f = 0; f <= SL_TECHNIQUE_UNKNOWN; f++) n += t->technique[k][f];
        printf("| %s | %d |", sl_technique_name((sl_technique)k), n);
        for (int f = 0; f <= SL_TECHNIQUE_UNKNOWN; f++) printf(" %d |", t->technique[k][f]);
        printf("\n");
        answered += n - t->technique[k][SL_TECHNIQUE_UNKNOWN], right += t->technique[k][k];
        all += n, best += t->best[k];
    }
    printf("| nothing to see | |");
    for (int f = 0; f <= SL_TECHNIQUE_UNKNOWN; f++) printf(" %d |", t->empty_technique[f]);
    printf("\n\n| | %% |\n|---|---|\n| answered |");
    print_share(answered, all);
    printf("\n| right, of those answered |");
    print_share(right, answered);
    printf("\n| the likeliest is right, of all |");
    print_share(best, all);
    printf("\n");
}

static sl_status new_tables(int most, tables *t) {
    for (int k = 0; k < CLASSES; k++) SL_TRY(new_distances(most, &t->beam[k]));
    distances *others[] = {&t->all_beams, &t->empty, &t->outside, &t->column, &t->horizon, &t->row, &t->stop};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) SL_TRY(new_distances(most, others[k]));
    return SL_OK;
}

static sl_status measure_simulated(int images) {
    static tables t; /* what it points to lives as long as the program */
    sl_sim_sample sample = {0};
    sl_sim_options options = SL_SIM_OPTIONS_DEFAULT;
    sl_status status = new_tables(images, &t);
    options.measure = true;
    for (int k = 0; k < images && !status; k++) {
        sl_blind_look look;
        status = sl_sim_sample_make(seed, (uint32_t)k, &options, &sample);
        if (!status && sl_blind_look_at(&sample.measured, &look) == SL_OK) add_sample(&sample, &look, &t);
    }
    sl_sim_sample_free(&sample);
    if (status) return status;
    printf("%s", distances_head);
    for (int k = 0; k < CLASSES; k++) print_distances(sl_sim_class_id((sl_sim_class)k), &t.beam[k]);
    print_distances("all", &t.all_beams);
    print_distances("beam outside the frame", &t.outside);
    print_distances("nothing to see", &t.empty);
    printf("\n%s", distances_head);
    print_distances("specular column", &t.column);
    print_distances("horizon", &t.horizon);
    print_distances("beam's row", &t.row);
    print_distances("beamstop", &t.stop);
    print_techniques(&t);
    return SL_OK;
}

static void print_off(double off) {
    if (isnan(off))
        printf(" |");
    else
        printf(" %.1f |", off);
}

static sl_status look_at_frame(const char *path, sl_image *image, sl_blind_look *look) {
    sl_frame frame;
    const sl_frame_request request = {NULL, 0};
    SL_TRY(sl_frame_read(path, &request, NULL, &frame));
    sl_status status = sl_frame_to_image(&frame, image);
    sl_frame_free(&frame);
    return status ? status : sl_blind_look_at(image, look);
}

static void print_frame(int k, const sl_image *image, const sl_blind_look *look) {
    const sl_blind_centre *c = &look->centre;
    const sl_blind_grazing *g = &look->grazing;
    double row = measured[k].row_px, column = measured[k].column_px;
    bool grazing = sl_technique_is_grazing(measured[k].technique);
    sl_technique t = likeliest(look);
    printf("| %s | %d x %d | %s | %s, %.0f %% |", measured[k].file, image->width_px, image->height_px,
           sl_technique_name(measured[k].technique), sl_technique_name(t), 100 * look->probability[t]);
    if (grazing)
        printf(" column %.1f, horizon %.1f |", g->specular_column_px, g->horizon_row_px);
    else
        printf(" %.1f, %.1f%s |", c->row_px, c->column_px, c->found ? "" : " (declined)");
    print_off(grazing ? fabs(g->specular_column_px - column) : hypot(c->row_px - row, c->column_px - column));
    printf("\n");
}

static sl_status measure_frames(const char *folder) {
    printf("| frame | size | technique | found | beam found (row, column) | px off "
           "|\n|---|---|---|---|---|---|\n");
    for (size_t k = 0; k < sizeof measured / sizeof *measured; k++) {
        char path[1024];
        sl_image image = {0};
        sl_blind_look look;
        snprintf(path, sizeof path, "%s/%s", folder, measured[k].file);
        sl_status status = look_at_frame(path, &image, &look);
        if (!status) print_frame((int)k, &image, &look);
        sl_image_free(&image);
        if (status == SL_NUMERIC)
            printf("| %s | | | nothing | | |\n", measured[k].file);
        else
            SL_TRY(status);
    }
    return SL_OK;
}

int main(int argc, char **argv) {
    bool frames = argc > 2 && strcmp(argv[1], "frames") == 0;
    int images = argc > 1 ? atoi(argv[1]) : 600;
    if (!frames && images < 1) {
        fprintf(stderr, "blind-accuracy [IMAGES] | frames FOLDER\n");
        return 2;
    }
    if (frames ? measure_frames(argv[2]) : measure_simulated(images)) {
        fprintf(stderr, "blind-accuracy: %s\n", sl_error_message());
        return 1;
    }
    return 0;
}
