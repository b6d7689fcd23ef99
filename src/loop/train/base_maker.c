/* What latents were made of: the autoencoder's encoder, and the simulated images. */
#include "loop/train/base_internal.h"

#include "base/hash.h"
#include "base/text.h"
#include "xray/simulate.h"

#include <stdio.h>
#include <string.h>

sl_base_maker sl_base_maker_now(const sl_base_settings *settings) {
    return (sl_base_maker){.simulator = SL_SIM_VERSION, .seed = settings->seed, .size_px = settings->size};
}

/* The decoder may be improved while latents keep their meaning: it has no part in the name. */
sl_status sl_base_maker_encoder(const sl_model *vae, sl_base_maker *maker) {
    char hash[SL_SHA256_HEX];
    sl_text all = SL_TEXT_INIT;
    for (int i = 0; i < sl_params_count(vae->params); i++) {
        const sl_param *param = sl_params_at(vae->params, i);
        if (strncmp(param->name, "encoder.", 8) != 0 && strncmp(param->name, "quant_conv.", 11) != 0)
            continue;
        sl_sha256_hex(param->value.data, sl_tensor_bytes(&param->value), hash);
        sl_text_printf(&all, "%s %s\n", param->name, hash);
    }
    sl_status status = sl_text_status(&all);
    if (status == SL_OK) {
        sl_sha256_hex(all.data, all.length, hash);
        snprintf(maker->encoder, sizeof maker->encoder, "%.16s", hash);
    }
    sl_text_free(&all);
    return status;
}

void sl_base_maker_text(const sl_base_maker *maker, char out[SL_BASE_MAKER_BYTES]) {
    snprintf(out, SL_BASE_MAKER_BYTES, "encoder %s, simulator %d, seed %lld, %lld px", maker->encoder,
             maker->simulator, (long long)maker->seed, (long long)maker->size_px);
}

sl_status sl_base_maker_read(const char *text, sl_base_maker *out) {
    sl_base_maker maker;
    long long seed, size_px;
    char again[SL_BASE_MAKER_BYTES];
    if (sscanf(text, "encoder %16[0-9a-f], simulator %d, seed %lld, %lld px", maker.encoder, &maker.simulator,
               &seed, &size_px) == 4) {
        maker.seed = seed, maker.size_px = size_px;
        sl_base_maker_text(&maker, again);
        *out = maker;
        if (strcmp(again, text) == 0) return SL_OK;
    }
    return sl_fail(SL_FORMAT, "'%.80s' does not say what latents were made of", text);
}
