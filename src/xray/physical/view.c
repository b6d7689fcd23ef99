#include "base/numeric/sort.h"
#include "xray/blind.h"
#include "xray/physical/level/aperture.h"
#include "xray/physical/ring/ring_fit.h"

#include <math.h>
#include <string.h>

double physical_median(double *values, int count) {
    sl_sort_doubles(values, (size_t)count);
    return values[count / 2];
}

void physical_mark(const physical_view *view, sl_mark mark) {
    sl_drawing *drawing = view->input->drawing;
    if (drawing && drawing->count < SL_MARKS_MAX) drawing->mark[drawing->count++] = mark;
}

void physical_mark_track(const physical_view *view, sl_physical_test test, const ring_track *track,
                         bool is_odd) {
    for (int s = 0; s < POLAR_SECTORS; s++) {
        double row, column, azimuth = (s + 0.5) * 2 * M_PI / POLAR_SECTORS - M_PI;
        if (track->radius[s] <= 0 ||
            !physical_position(view, track->radius[s] * view->polar.step_px, azimuth, &row, &column))
            continue;
        physical_mark(view, (sl_mark){.kind = SL_MARK_POINT,
                                      .test = (int)test,
                                      .is_odd = is_odd,
                                      .row = (float)row,
                                      .column = (float)column});
    }
}

static void find_tracks(physical_view *view) {
    polar_map_fill(view, &view->polar);
    view->track_count = ring_tracks_find(&view->polar, view->track);
}

/* Moves the centre to where the rings have theirs. */
static void follow_rings(physical_view *view) {
    for (int round = 0; round < 3; round++) {
        ring_fit fit[RING_FITS];
        double shift[2];
        int rings = ring_fits(view->track, view->track_count, fit);
        if (rings == 0) return;
        ring_fits_common(fit, rings, 1, 0, shift);
        if (hypot(shift[0], shift[1]) < 0.2) return;
        view->column_px += shift[0] * view->polar.step_px;
        view->row_px += shift[1] * view->polar.step_px;
        find_tracks(view);
    }
}

/* *found is false where nobody knows the beam and it is not found: what is looked at around it stays empty
 * then. At grazing incidence only its column matters, and the mirror test finds it. */
static sl_status find_centre(physical_view *view, bool *found) {
    const sl_physical_input *input = view->input;
    const sl_blind_look *look;
    *found = true;
    view->centre_known = input->beam_known || input->geometry;
    if (input->geometry) {
        view->projection = sl_projection_of(input->geometry);
        if (!input->beam_known)
            sl_projection_hit(&view->projection, 1, 0, 0, &view->row_px, &view->column_px);
    }
    if (view->centre_known || view->is_grazing) return SL_OK;
    SL_TRY(physical_blind_look(view->blind, view->image, &look));
    *found = look && look->centre.found;
    if (!*found) return SL_OK;
    view->row_px = look->centre.row_px;
    view->column_px = look->centre.column_px;
    return SL_OK;
}

void physical_view_free(physical_view *view) {
    sl_image_free(&view->opened);
}

sl_status physical_view_prepare(const sl_physical_input *input, physical_view *view) {
    const sl_image *image = input->image;
    memset(view, 0, sizeof *view);
    view->input = input;
    view->image = image;
    view->blind = input->blind ? input->blind : &view->own_blind;
    view->is_grazing = sl_technique_is_grazing(input->technique);
    view->unit_px = fmax(image->height_px, image->width_px) / 256.0;
    view->row_px = input->beam_known ? input->beam_row_px : image->height_px * 0.5;
    view->column_px = input->beam_known ? input->beam_column_px : image->width_px * 0.5;
    view->polar.step_px = fmax(1, view->unit_px);
    bool found, shaded;
    SL_TRY(find_centre(view, &found));
    if (!found) return SL_OK;
    SL_TRY(physical_aperture_mask(view, &view->opened, &shaded));
    if (shaded) view->image = &view->opened;
    if (view->is_grazing) return SL_OK;
    find_tracks(view);
    /* a recorded beam says where it was meant to be; without a geometry the rings know better */
    if (!input->geometry) follow_rings(view);
    return SL_OK;
}
