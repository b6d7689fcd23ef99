#include "diffusion/sampler/sampler.h"

#include <stddef.h>

enum { COUNT = 3, STEPS = 7 };

/* A scheduler_config.json, and a run of what it says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    json_t *config;
    sl_sampler_settings settings;
    sl_sampling *sampling;
    if (sl_json_parse((const char *)data, bytes, "fuzz", &config) != SL_OK) return 0;
    sl_status status = sl_sampler_settings_from_json(config, NULL, &settings);
    json_decref(config);
    if (status != SL_OK || sl_sampling_new(&settings, STEPS, COUNT, &sampling) != SL_OK) return 0;
    float x[COUNT] = {0.5f, -1, 2}, output[COUNT];
    const float noise[COUNT] = {1, 0, -1};
    for (int call = 0; call < sl_sampling_calls(sampling); call++) {
        sl_sampling_input(sampling, call, x, output);
        sl_sampling_step(sampling, call, output, noise, x);
    }
    sl_sampling_free(sampling);
    json_decref(sl_sampler_settings_to_json(&settings));
    return 0;
}
