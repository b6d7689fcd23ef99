#include "loop/check/check.h"

#include "base/file.h"
#include "image/frame.h"
#include "loop/check/overlay.h"
#include "loop/recorded.h"

#include <math.h>

#define SETTINGS sl_check_settings
const sl_option sl_check_options[] = {
    SL_OPTION_CHOICE(
        SETTINGS, technique, "technique", 0, "unknown", "saxs|waxs|gisaxs|giwaxs|unknown",
        "how the images were measured; unknown: as the caption says, else as the image itself shows it"),
    SL_OPTION_TEXT(SETTINGS, caption, "caption", 0, NULL, "TEXT",
                   "what the images are said to show (default: as recorded; of a file nothing is known)"),
    SL_OPTION_REAL(SETTINGS, beam_row_px, "beam-row", 0, "-1", -1, 1e6, "PX",
                   "row of the beam, counted from the top edge (-1: the file's, else it is estimated)"),
    SL_OPTION_REAL(SETTINGS, beam_column_px, "beam-column", 0, "-1", -1, 1e6, "PX",
                   "column of the beam, counted from the left edge"),
    SL_OPTION_TEXT(SETTINGS, draw, "draw", 'd', NULL, "DIR",
                   "write a picture of each image there, with what the tests saw"),
    SL_OPTION_INT(SETTINGS, run, "run", 0, "0", 0, INT64_C(1) << 40, "N",
                  "check the images of a run of the workspace"),
    SL_OPTION_INT(SETTINGS, image, "image", 0, "0", 0, INT64_C(1) << 40, "N",
                  "check one image of the workspace"),
    SL_OPTION_REAL(SETTINGS, level, "level", 0, "0.01", 0, 1, "P",
                   "an image is impossible where its family-wise p is at most this"),
    SL_OPTION_FLAG(SETTINGS, all, "all", 'a', "also show the tests that do not apply"),
    {0}};

typedef struct checker {
    const sl_check_settings *settings;
    const sl_workspace *workspace;
    sl_arena *arena;
    sl_drawing *drawing;
    sl_check_tell tell;
    void *context;
    sl_check_result *result;
} checker;

static sl_status draw(const checker *c, const sl_image *image, const char *stem, sl_checked *checked) {
    bool fails[SL_PHYSICAL_COUNT];
    for (int t = 0; t < SL_PHYSICAL_COUNT; t++) {
        const sl_physical_result *r = &checked->physics.result[t];
        fails[t] = r->applicable && r->value > r->limit;
    }
    checked->picture = sl_arena_printf(c->arena, "%s/%s.check.png", c->settings->draw, stem);
    SL_TRY(sl_folder_make(c->settings->draw));
    return sl_overlay_write(checked->picture, image, c->drawing, fails);
}

/* `input` says what is known; the settings add to it. */
static sl_status check_image(const checker *c, sl_physical_input *input, const char *stem,
                             sl_checked *checked) {
    const sl_check_settings *s = c->settings;
    if (s->caption) {
        input->caption = checked->caption = s->caption;
        input->technique = sl_technique_of_caption(s->caption);
    }
    if (s->technique != SL_TECHNIQUE_UNKNOWN) input->technique = (sl_technique)s->technique;
    if (s->beam_row_px >= 0 && s->beam_column_px >= 0) {
        input->beam_known = true;
        input->beam_row_px = s->beam_row_px;
        input->beam_column_px = s->beam_column_px;
    }
    sl_physical_blind blind = {0};
    c->drawing->count = 0;
    input->drawing = c->drawing;
    input->blind = &blind;
    checked->technique_probability = sl_physical_technique_find(input);
    SL_TRY(sl_physical_tests_run(input, checked->physics.result));
    sl_physics_summarise(&checked->physics);
    checked->technique = input->technique;
    checked->possible = checked->physics.family_p > s->level;
    if (s->draw) SL_TRY(draw(c, input->image, stem, checked));
    c->result->images++;
    c->result->impossible += !checked->possible;
    c->tell(c->context, checked);
    return SL_OK;
}

static sl_status check_file(const checker *c, const char *location) {
    const char *path;
    sl_frame_request request;
    sl_frame frame;
    sl_image image;
    SL_TRY(sl_frame_locate(c->arena, location, &path, &request));
    SL_TRY(sl_frame_read(path, &request, NULL, &frame));
    const sl_frame_geometry *g = &frame.header.geometry;
    sl_checked checked = {.name = location};
    sl_physical_input input = {
        .image = &image,
        .technique = SL_TECHNIQUE_UNKNOWN,
        .is_display = sl_recorded_is_picture(frame.format, sl_dtype_name(frame.header.dtype)),
        .beam_known = isfinite(g->beam_x_px) && isfinite(g->beam_y_px),
        .beam_row_px = g->beam_y_px,
        .beam_column_px = g->beam_x_px,
        .colour = sl_colour_line_from_json(json_object_get(frame.header.metadata, "colour"))};
    sl_status status = sl_frame_to_image(&frame, &image);
    sl_frame_free(&frame);
    SL_TRY(status);
    status = check_image(c, &input, sl_path_base(path), &checked);
    sl_image_free(&image);
    return sl_context(status, "%s", location);
}

static sl_status check_record(const checker *c, const sl_image_record *record) {
    sl_image image;
    sl_physical_input input;
    sl_checked checked = {.name = sl_arena_printf(c->arena, "image %lld", (long long)record->id),
                          .caption = record->caption};
    SL_TRY(sl_physics_input(c->workspace, record, &input));
    SL_TRY(sl_workspace_get_image(c->workspace, record->object_hash, &image));
    input.image = &image;
    sl_status status =
        check_image(c, &input, sl_arena_printf(c->arena, "%lld", (long long)record->id), &checked);
    sl_image_free(&image);
    return sl_context(status, "%s", checked.name);
}

typedef struct run_check {
    const checker *checker;
    const sl_progress *progress;
} run_check;

static sl_status check_page(void *context, const sl_image_page *page) {
    const run_check *in = context;
    for (int k = 0; k < page->count; k++) {
        SL_TRY(sl_progress_check(in->progress));
        SL_TRY(check_record(in->checker, &page->record[k]));
        sl_progress_tell(in->progress, "checking", "image", page->first + k + 1, page->total, NULL);
    }
    return SL_OK;
}

static sl_status check_run(const checker *c, const sl_progress *progress) {
    sl_image_filter filter = SL_IMAGE_FILTER_ALL;
    run_check in = {c, progress};
    filter.run = c->settings->run;
    SL_TRY(sl_store_image_pages(c->workspace->store, &filter, check_page, &in));
    if (c->result->images) return SL_OK;
    return sl_fail(SL_NOT_FOUND, "run %lld has no images", (long long)filter.run);
}

static sl_status check_all(const checker *c, const sl_list *files, const sl_progress *progress) {
    const sl_check_settings *s = c->settings;
    if (s->run) return check_run(c, progress);
    if (s->image) {
        sl_image_record record;
        SL_TRY(sl_store_image_get(c->workspace->store, s->image, c->arena, &record));
        return check_record(c, &record);
    }
    for (int k = 0; k < files->count; k++) {
        SL_TRY(sl_progress_check(progress));
        SL_TRY(check_file(c, files->item[k]));
        sl_progress_tell(progress, "checking", "file", k + 1, files->count, NULL);
    }
    return SL_OK;
}

sl_status sl_check(const sl_check_settings *settings, const sl_workspace *workspace, const sl_list *files,
                   const sl_progress *progress, sl_check_tell tell, void *context, sl_check_result *out) {
    int named = (settings->run > 0) + (settings->image > 0) + (files->count > 0);
    *out = (sl_check_result){0};
    if (named != 1) return sl_fail(SL_INVALID, "name files, or --run N, or --image N: one of the three");
    if ((settings->beam_row_px >= 0) != (settings->beam_column_px >= 0))
        return sl_fail(SL_INVALID, "the beam's place needs both --beam-row and --beam-column");
    checker c = {settings, workspace, NULL, NULL, tell, context, out};
    SL_TRY(sl_arena_new(&c.arena));
    sl_status status = sl_alloc(&c.drawing, 1, sizeof *c.drawing);
    if (!status) status = check_all(&c, files, progress);
    sl_free(c.drawing);
    sl_arena_free(c.arena);
    return status;
}
