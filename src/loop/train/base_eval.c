/* Stage eval, of the autoencoder: what it loses, deblocking included, measured on expectations it has never
 * seen.
 *
 * PSNR in the log map's units; contrast of spots, decoded over true; width of rings, decoded over true. */
#include "loop/train/base_internal.h"

#include "base/json.h"
#include "diffusion/deblock.h"
#include "train/quality.h"
#include "train/vae/vae_train.h"
#include "xray/quantile.h"

#include <math.h>

enum { SPOTS_IN_IMAGE = 64 };
static const double least_contrast = 0.05; /* of a spot that counts, in the log map's units */

/* As `generate` does it. */
typedef struct decoding {
    sl_vae_coder *coder;
    sl_deblocking deblocking;
} decoding;

typedef struct tally {
    float *psnr, *spot, *ring; /* values of all images */
    int64_t psnrs, spots, rings;
    double square; /* summed mean square errors */
} tally;

static sl_status tally_new(int64_t images, tally *out) {
    *out = (tally){0};
    SL_TRY(sl_alloc(&out->psnr, (size_t)images, sizeof(float)));
    SL_TRY(sl_alloc(&out->spot, (size_t)(images * SPOTS_IN_IMAGE), sizeof(float)));
    return sl_alloc(&out->ring, (size_t)(images * SL_SIM_FEATURES_MAX), sizeof(float));
}

static void tally_free(tally *t) {
    sl_free(t->psnr);
    sl_free(t->spot);
    sl_free(t->ring);
}

static void measure_spots(tally *t, const float *truth, const float *decoded, int side) {
    int row[SPOTS_IN_IMAGE], column[SPOTS_IN_IMAGE];
    int count = sl_spots_find(truth, side, side, least_contrast, SPOTS_IN_IMAGE, row, column);
    for (int i = 0; i < count; i++)
        t->spot[t->spots++] = (float)(sl_spot_contrast(decoded, side, side, row[i], column[i]) /
                                      sl_spot_contrast(truth, side, side, row[i], column[i]));
}

static void measure_rings(tally *t, const sl_sim_sample *sample, const float *decoded) {
    for (int i = 0; i < sample->feature_count; i++) {
        const sl_feature *f = &sample->feature[i];
        if (f->kind != SL_FEATURE_RING || !f->visible) continue;
        double reach = 2.5 * f->width_px + 3;
        if (reach > 24) continue;
        int side = sample->size_px;
        double row = sample->beam_row_px, column = sample->beam_column_px;
        double truth = sl_ring_width_px(sample->log_map, side, side, row, column, f->radius_px, reach);
        double width = sl_ring_width_px(decoded, side, side, row, column, f->radius_px, reach);
        if (truth > 0 && width > 0) t->ring[t->rings++] = (float)(width / truth);
    }
}

static sl_status measure_image(tally *t, const decoding *d, const sl_simulated *data, uint32_t index,
                               float *work) {
    sl_sim_sample sample = {0};
    sl_status status = sl_sim_sample_make(data->seed, index, &data->options, &sample);
    int64_t count = (int64_t)sample.size_px * sample.size_px;
    if (status == SL_OK) {
        for (int64_t i = 0; i < count; i++) work[i] = 2 * sample.log_map[i] - 1;
        status = sl_vae_round_trip(d->coder, work, 1, work);
    }
    if (status == SL_OK) status = sl_deblock(&d->deblocking, work, sample.size_px, sample.size_px, 1);
    if (status == SL_OK) {
        for (int64_t i = 0; i < count; i++) work[i] = fminf(fmaxf(0.5f * work[i] + 0.5f, 0), 1);
        double psnr = sl_psnr_db(work, sample.log_map, count);
        t->psnr[t->psnrs++] = (float)psnr;
        t->square += pow(10, -psnr / 10);
        measure_spots(t, sample.log_map, work, sample.size_px);
        measure_rings(t, &sample, work);
    }
    sl_sim_sample_free(&sample);
    return status;
}

static void put(json_t *result, const char *name, double value) {
    json_object_set_new(result, name, sl_json_number(value));
}

static json_t *summary(tally *t) {
    json_t *out = json_object();
    double sum = 0;
    for (int64_t i = 0; i < t->psnrs; i++) sum += (double)t->psnr[i];
    json_object_set_new(out, "images", json_integer((json_int_t)t->psnrs));
    put(out, "psnr_mean_db", sum / (double)t->psnrs);
    put(out, "psnr_pooled_db", -10 * log10(t->square / (double)t->psnrs));
    put(out, "psnr_p10_db", sl_quantile_in_place(t->psnr, (size_t)t->psnrs, 0.1));
    json_object_set_new(out, "spots", json_integer((json_int_t)t->spots));
    if (t->spots) {
        put(out, "spot_contrast_median", sl_quantile_in_place(t->spot, (size_t)t->spots, 0.5));
        put(out, "spot_contrast_p10", sl_quantile_in_place(t->spot, (size_t)t->spots, 0.1));
    }
    json_object_set_new(out, "rings", json_integer((json_int_t)t->rings));
    if (t->rings) {
        put(out, "ring_width_median", sl_quantile_in_place(t->ring, (size_t)t->rings, 0.5));
        put(out, "ring_width_p90", sl_quantile_in_place(t->ring, (size_t)t->rings, 0.9));
    }
    return out;
}

static sl_status measure_domain(const sl_base_settings *settings, const sl_progress *progress,
                                const decoding *d, sl_sim_domain domain, json_t **out) {
    sl_simulated data = sl_base_data(settings, SL_BASE_DATA_EVAL, SL_SIMULATED_EXPECTATION);
    data.options.domain = domain;
    int64_t images = settings->eval_images;
    float *work = NULL;
    tally t;
    sl_status status = tally_new(images, &t);
    if (status == SL_OK) status = sl_alloc(&work, (size_t)(settings->size * settings->size), sizeof *work);
    for (int64_t i = 0; i < images && status == SL_OK; i++) {
        SL_GUARD(status, sl_progress_check(progress), done);
        status = measure_image(&t, d, &data, (uint32_t)i, work);
        sl_progress_tell(progress, "measuring the autoencoder", "image", i + 1, images, NULL);
    }
    if (status == SL_OK) *out = summary(&t);
done:
    sl_free(work);
    tally_free(&t);
    return status;
}

static sl_status read_deblocking(const sl_base_settings *settings, const sl_model *vae, sl_deblocking *out) {
    sl_base_path path = sl_base_path_of(settings, "model/scatterloop.json");
    json_t *facts;
    SL_TRY(sl_json_read(path.text, &facts));
    sl_status status = sl_deblocking_read(facts, sl_vae_block(vae->config), out);
    json_decref(facts);
    return sl_context(status, "'%s'", path.text);
}

sl_status sl_base_stage_eval(const sl_base_settings *settings, const sl_progress *progress, json_t *result) {
    sl_base_path folder = sl_base_path_of(settings, "model/vae");
    sl_model *vae;
    decoding d = {0};
    json_t *base = NULL, *held_out = NULL;
    int side = (int)settings->size;
    SL_TRY(sl_model_load(folder.text, &vae));
    sl_status status;
    SL_GUARD(status, read_deblocking(settings, vae, &d.deblocking), done);
    SL_GUARD(status, sl_vae_coder_new(vae, 1, side, side, true, SL_F32, &d.coder), done);
    SL_GUARD(status, measure_domain(settings, progress, &d, SL_SIM_DOMAIN_BASE, &base), done);
    json_object_set_new(result, "vae", base);
    SL_GUARD(status, measure_domain(settings, progress, &d, SL_SIM_DOMAIN_HELD_OUT, &held_out), done);
    json_object_set_new(result, "vae_unseen_instruments", held_out);
    SL_GUARD(status, sl_base_eval_denoiser(settings, progress, result), done);
    sl_base_path report = sl_base_path_of(settings, "eval.json");
    status = sl_json_write(report.text, result);
done:
    sl_vae_coder_free(d.coder);
    sl_model_free(vae);
    return status;
}
