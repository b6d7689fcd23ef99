#include "tiny.h"

#include "test.h"
#include "scratch_folder.h"

#include "base/json.h"
#include "base/random/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char tiny_vae[] =
    "{\"_class_name\": \"AutoencoderKL\", \"act_fn\": \"silu\", \"block_out_channels\": [8, 8],"
    " \"down_block_types\": [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\"],"
    " \"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\"], \"in_channels\": 4, "
    "\"out_channels\": 4,"
    " \"latent_channels\": 4, \"layers_per_block\": 1, \"norm_num_groups\": 4, \"sample_size\": 16,"
    " \"mid_block_add_attention\": false, \"scaling_factor\": 1.0}";

const char tiny_unet[] =
    "{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"silu\", \"block_out_channels\": [8, 16],"
    " \"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\"],"
    " \"up_block_types\": [\"CrossAttnUpBlock2D\", \"UpBlock2D\"], \"in_channels\": 4, \"out_channels\": 4,"
    " \"layers_per_block\": 1, \"attention_head_dim\": 2, \"cross_attention_dim\": 8, \"norm_num_groups\": 4,"
    " \"norm_eps\": 1e-5, \"sample_size\": 8, \"flip_sin_to_cos\": true, \"freq_shift\": 0,"
    " \"use_linear_projection\": true}";

const char tiny_text[] =
    "{\"architectures\": [\"CLIPTextModel\"], \"model_type\": \"clip_text_model\", \"vocab_size\": 20,"
    " \"hidden_size\": 8, \"intermediate_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 2,"
    " \"max_position_embeddings\": 8, \"hidden_act\": \"quick_gelu\", \"layer_norm_eps\": 1e-5,"
    " \"projection_dim\": 8, \"bos_token_id\": 0, \"eos_token_id\": 1, \"pad_token_id\": 1}";

sl_model *tiny_model(const char *config) {
    json_t *json;
    sl_model *model;
    assert_ok(sl_json_parse(config, strlen(config), "test", &json));
    assert_ok(sl_model_from_json(json, &model));
    assert_ok(sl_params_initialise(model->params, 3));
    json_decref(json);
    return model;
}

enum { SIDE = 32 };

static sl_random place_of(const int64_t *seed, int64_t item, double *row, double *column) {
    sl_random random = sl_random_stream((uint64_t)*seed, SL_STREAM_TEST, (uint32_t)item);
    *row = sl_random_range(&random, 6, SIDE - 6);
    *column = sl_random_range(&random, 4, SIDE / 2 - 4) + (item % 2 ? SIDE / 2 : 0);
    return random;
}

static sl_status image(void *context, int64_t item, float *out) {
    double row, column;
    sl_random random = place_of(context, item, &row, &column);
    double width = sl_random_range(&random, 2, 4);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double r2 = (y - row) * (y - row) + (x - column) * (x - column);
            out[y * SIDE + x] = (float)(2 * exp(-r2 / (2 * width * width)) - 1);
        }
    return SL_OK;
}

static sl_status about(void *context, int64_t item, sl_feed_about *out) {
    double row, column;
    place_of(context, item, &row, &column);
    *out = (sl_feed_about){.label = (int32_t)(item % 2), .augment = SL_AUGMENT_FLIP_UP_DOWN};
    out->split = item % 5 == 4 ? SL_FEED_HOLDOUT : item % 7 == 6 ? SL_FEED_TEST : SL_FEED_TRAIN;
    out->attribute[0] = (float)(item % 2);
    out->attribute[1] = row > SIDE / 2.0;
    out->attribute[2] = (float)(row / SIDE);
    snprintf(out->group, sizeof out->group, "g%lld", (long long)item);
    return SL_OK;
}

sl_feed tiny_feed(int64_t *seed, int64_t count) {
    return (sl_feed){.context = seed,
                     .count = count,
                     .height_px = SIDE,
                     .width_px = SIDE,
                     .channels = 1,
                     .attributes = 3,
                     .image = image,
                     .about = about};
}

char *tiny_folder(void) {
    char *folder = malloc(SCRATCH_FOLDER_BYTES);
    assert_true(scratch_folder_make(folder));
    return folder;
}

void tiny_folder_drop(char *folder) {
    assert_true(scratch_folder_remove(folder));
    free(folder);
}
