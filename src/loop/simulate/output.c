#include "loop/simulate/output.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/tar.h"
#include "image/write/write.h"
#include "loop/picture.h"
#include "xray/instrument/poni.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char sl_simulate_formats[] =
#define SL_WRITE(name, text, suffix) text "|"
    SL_WRITE_TABLE
#undef SL_WRITE
    "webdataset";

/* The last of the formats: TIFF in archives. */
bool sl_simulate_is_archive(const sl_simulate_settings *settings) {
    return settings->format == SL_WRITE_COUNT;
}

static sl_write_format counts_format(const sl_simulate_settings *settings) {
    return sl_simulate_is_archive(settings) ? SL_WRITE_TIFF : (sl_write_format)settings->format;
}

const char *sl_simulated_suffix(const sl_simulate_settings *settings) {
    return sl_write_suffix(counts_format(settings));
}

/* Takes the data. */
static void keep(sl_simulated_files *files, const char *before, const char *suffix, void *data,
                 size_t bytes) {
    int k = files->count++;
    snprintf(files->file[k].suffix, sizeof files->file[k].suffix, "%s.%s", before, suffix);
    files->file[k].data = data;
    files->file[k].bytes = bytes;
}

/* Which faults there are, for whoever has the image without its sidecar. */
static json_t *faults_of(const json_t *truth) {
    json_t *list = json_array();
    size_t k;
    const json_t *each;
    json_array_foreach(json_object_get(truth, "artefacts"), k, each)
        json_array_append_new(list, json_pack("{s:O, s:O}", "type", json_object_get(each, "type"), "severity",
                                              json_object_get(each, "severity")));
    return list;
}

static json_t *provenance_of(const json_t *truth) {
    json_t *provenance =
        json_pack("{s:s, s:s, s:i, s:O, s:O, s:O}", "scatterloop", SL_VERSION, "origin", "simulated",
                  "simulator", SL_SIM_VERSION, "seed", json_object_get(truth, "seed"), "index",
                  json_object_get(truth, "index"), "class", json_object_get(truth, "class"));
    json_object_set_new(provenance, "artefacts", faults_of(truth));
    if (json_object_get(truth, "given"))
        json_object_set(provenance, "given", json_object_get(truth, "given"));
    return provenance;
}

static sl_frame_geometry frame_geometry(const sl_sim_sample *sample) {
    const sl_geometry *g = &sample->geometry;
    return (sl_frame_geometry){.wavelength_m = g->wavelength_ang * 1e-10,
                               .distance_m = g->distance_m,
                               .pixel_x_m = g->pixel_m,
                               .pixel_y_m = g->pixel_m,
                               .beam_x_px = sample->beam_column_px,
                               .beam_y_px = sample->beam_row_px,
                               .exposure_s = (double)NAN};
}

static sl_status add_images(const sl_simulate_settings *s, const sl_sim_sample *sample,
                            const sl_write_info *info, sl_simulated_files *out) {
    sl_write_format format = counts_format(s);
    const char *suffix = sl_write_suffix(format);
    void *data;
    size_t bytes;
    SL_TRY(sl_image_encode(format, &sample->measured, info, &data, &bytes));
    keep(out, "", suffix, data, bytes);
    if (s->expectation) {
        const sl_image mean = {sample->size_px, sample->size_px, sample->mean_counts, sample->measured.mask};
        sl_write_info plain = *info;
        plain.truth = NULL;
        SL_TRY(sl_image_encode(format, &mean, &plain, &data, &bytes));
        /* readers of WebDataset take all that follows the first dot as the kind of a member */
        keep(out, sl_simulate_is_archive(s) ? ".expectation" : "_expectation", suffix, data, bytes);
    }
    SL_TRY(sl_picture_encode_png(&sample->measured, info, &data, &bytes));
    keep(out, "", "png", data, bytes);
    return SL_OK;
}

static sl_status add_all(const sl_simulate_settings *s, const sl_sim_sample *sample, const json_t *truth,
                         const json_t *provenance, sl_simulated_files *out) {
    bool hdf5 = counts_format(s) == SL_WRITE_HDF5;
    char *text = sl_json_pretty(truth);
    if (!text) return sl_fail(SL_MEMORY, "out of memory");
    sl_text poni = SL_TEXT_INIT;
    sl_poni_write(&sample->geometry, sample->size_px, sample->size_px, &poni);
    sl_frame_geometry geometry = frame_geometry(sample);
    const sl_write_truth known = {sample->mean_counts, text, sl_text_get(&poni)};
    const sl_write_info info = {.provenance = provenance,
                                .title = sample->caption,
                                .synthetic = true,
                                .geometry = hdf5 ? &geometry : NULL,
                                .truth = hdf5 ? &known : NULL};
    sl_status status = add_images(s, sample, &info, out);
    if (!status) status = sl_text_status(&poni);
    keep(out, "", "json", text, strlen(text));
    if (hdf5 || s->poni)
        keep(out, "", "poni", poni.data, poni.length);
    else
        sl_text_free(&poni);
    return status;
}

sl_status sl_simulated_files_make(const sl_simulate_settings *settings, const sl_sim_sample *sample,
                                  sl_simulated_files *out) {
    *out = (sl_simulated_files){0};
    json_t *truth = sl_sim_sample_truth(sample), *provenance = truth ? provenance_of(truth) : NULL;
    sl_status status =
        provenance ? add_all(settings, sample, truth, provenance, out) : sl_fail(SL_MEMORY, "out of memory");
    json_decref(truth);
    json_decref(provenance);
    if (status) sl_simulated_files_free(out);
    return status;
}

void sl_simulated_files_free(sl_simulated_files *files) {
    for (int k = 0; k < files->count; k++) sl_free(files->file[k].data);
    *files = (sl_simulated_files){0};
}

static sl_status add_to_folder(const char *folder, int64_t index, const sl_simulated_files *files) {
    for (int k = 0; k < files->count; k++) {
        char path[SL_LIMIT_PATH_BYTES];
        int length =
            snprintf(path, sizeof path, "%s/image_%06lld%s", folder, (long long)index, files->file[k].suffix);
        if (length >= (int)sizeof path) return sl_fail(SL_LIMIT, "path too long below '%s'", folder);
        SL_TRY(sl_file_write_atomic(path, files->file[k].data, files->file[k].bytes));
    }
    return SL_OK;
}

sl_status sl_simulate_output_end(sl_simulate_output *output) {
    if (!output->is_open) return SL_OK;
    output->is_open = false;
    sl_status status = sl_context(sl_tar_end(output->archive.stream), "writing '%s'", output->archive.path);
    if (!status) return sl_file_writer_commit(&output->archive);
    sl_file_writer_abandon(&output->archive);
    return status;
}

void sl_simulate_output_abandon(sl_simulate_output *output) {
    if (output->is_open) sl_file_writer_abandon(&output->archive);
    output->is_open = false;
}

static sl_status begin_archive(sl_simulate_output *output, int64_t index) {
    char path[SL_LIMIT_PATH_BYTES];
    const char *folder = output->settings->out;
    int length = snprintf(path, sizeof path, "%s/images_%06lld.tar", folder, (long long)index);
    if (length >= (int)sizeof path) return sl_fail(SL_LIMIT, "path too long below '%s'", folder);
    SL_TRY(sl_file_writer_open(&output->archive, path));
    output->is_open = true;
    return SL_OK;
}

sl_status sl_simulate_output_add(sl_simulate_output *output, int64_t index, const sl_simulated_files *files) {
    if (!sl_simulate_is_archive(output->settings)) return add_to_folder(output->settings->out, index, files);
    if (index % output->settings->per_archive == 0) SL_TRY(sl_simulate_output_end(output));
    if (!output->is_open) SL_TRY(begin_archive(output, index));
    for (int k = 0; k < files->count; k++) {
        char name[64];
        snprintf(name, sizeof name, "image_%06lld%s", (long long)index, files->file[k].suffix);
        sl_status status =
            sl_tar_add(output->archive.stream, name, files->file[k].data, files->file[k].bytes);
        if (status) return sl_context(status, "writing '%s'", output->archive.path);
    }
    return SL_OK;
}
