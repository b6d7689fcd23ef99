#include "diffusion/sampler/internal.h"

#include "base/file.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

#define SAMPLER(name) extern const sl_sampler sl_sampler_##name;
#include "diffusion/sampler/samplers.def"
#undef SAMPLER

static const sl_sampler *const samplers[] = {
#define SAMPLER(name) &sl_sampler_##name,
#include "diffusion/sampler/samplers.def"
#undef SAMPLER
};
enum { SAMPLERS = sizeof samplers / sizeof samplers[0] };

const char sl_sampler_choices[] = "pndm|ddim|euler|euler_karras|euler_a|dpmpp_2m|dpmpp_2m_karras";

const sl_sampler *sl_sampler_find(const char *name) {
    for (int i = 0; i < SAMPLERS; i++)
        if (strcmp(samplers[i]->name, name) == 0) return samplers[i];
    return NULL;
}

const char *sl_sampler_name(const sl_sampler *sampler) {
    return sampler->name;
}

bool sl_sampler_takes_eta(const sl_sampler *sampler) {
    return sampler->takes_eta;
}

sl_sampler_settings sl_sampler_settings_default(const sl_sampler *sampler) {
    bool ddim = sampler == sl_sampler_find("ddim");
    return (sl_sampler_settings){
        .sampler = sampler,
        .schedule = {SL_BETAS_LINEAR, 1000, 0.0001, 0.02, false},
        .spacing = sampler->spacing,
        .set_alpha_to_one = ddim,
        .clip_sample = ddim,
        .clip_range = 1,
        .solver_order = 2,
        .lower_order_final = true,
    };
}

/* The index of the text under `key` among `names`; *out stays where the key is absent. */
static sl_status read_choice(const json_t *config, const char *key, const char *const *names, int count,
                             int *out) {
    const char *text;
    SL_TRY(sl_json_string_or(config, key, names[*out], &text));
    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return SL_OK;
    }
    return sl_fail(SL_UNSUPPORTED, "\"%s\" is \"%.60s\", which is not here", key, text);
}

#define SL_BETAS(name, text) text,
static const char *const betas_names[] = {SL_BETAS_TABLE};
#undef SL_BETAS
#define SL_PREDICTION(name, text) text,
static const char *const prediction_names[] = {SL_PREDICTION_TABLE};
#undef SL_PREDICTION
#define SL_SPACING(name, text) text,
static const char *const spacing_names[] = {SL_SPACING_TABLE};
#undef SL_SPACING
static const char *const last_sigma_names[] = {"zero", "sigma_min"};
static const char *const algorithm_names[] = {"dpmsolver++", "sde-dpmsolver++"};
static const char *const solver_names[] = {"midpoint", "heun"};
static const char *const interpolation_names[] = {"linear"};
static const char *const timestep_type_names[] = {"discrete"};

#define READ_CHOICE(config, key, names, out)                                                                 \
    read_choice(config, key, names, (int)(sizeof names / sizeof names[0]), out)

/* Settings that change the result and are not here must be off. */
static sl_status refuse_unknown(const json_t *config, const sl_sampler *sampler) {
    static const char *const flags[] = {"thresholding",   "use_exponential_sigmas", "use_beta_sigmas",
                                        "use_lu_lambdas", "use_flow_sigmas",        "use_dynamic_shifting"};
    static const char *const values[] = {"trained_betas", "variance_type", "sigma_min", "sigma_max",
                                         "lambda_min_clipped"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool set;
        SL_TRY(sl_json_bool_or(config, flags[i], false, &set));
        if (set) return sl_fail(SL_UNSUPPORTED, "\"%s\" is not here", flags[i]);
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const json_t *value = json_object_get(config, values[i]);
        if (value && !json_is_null(value)) return sl_fail(SL_UNSUPPORTED, "\"%s\" is not here", values[i]);
    }
    bool skip = true;
    if (strcmp(sampler->name, "pndm") == 0) SL_TRY(sl_json_bool_or(config, "skip_prk_steps", false, &skip));
    if (!skip)
        return sl_fail(SL_UNSUPPORTED, "PNDM with Runge-Kutta steps (\"skip_prk_steps\" false) is not here");
    return SL_OK;
}

static sl_status read_choices(const json_t *config, sl_sampler_settings *out) {
    int betas = (int)out->schedule.betas, prediction = (int)out->prediction, spacing = (int)out->spacing;
    int last_sigma = 0, algorithm = 0, solver = 0, zero = 0;
    SL_TRY(READ_CHOICE(config, "beta_schedule", betas_names, &betas));
    SL_TRY(READ_CHOICE(config, "prediction_type", prediction_names, &prediction));
    SL_TRY(READ_CHOICE(config, "timestep_spacing", spacing_names, &spacing));
    SL_TRY(READ_CHOICE(config, "interpolation_type", interpolation_names, &zero));
    SL_TRY(READ_CHOICE(config, "timestep_type", timestep_type_names, &zero));
    if (out->sampler->takes_karras) /* the other classes have no such setting */
        SL_TRY(READ_CHOICE(config, "final_sigmas_type", last_sigma_names, &last_sigma));
    if (strcmp(out->sampler->class_name, "DPMSolverMultistepScheduler") == 0) {
        SL_TRY(READ_CHOICE(config, "algorithm_type", algorithm_names, &algorithm));
        SL_TRY(READ_CHOICE(config, "solver_type", solver_names, &solver));
    }
    out->schedule.betas = (sl_betas)betas;
    out->prediction = (sl_prediction_type)prediction;
    out->spacing = (sl_spacing)spacing;
    out->last_sigma_is_min = last_sigma == 1;
    out->stochastic_solver = algorithm == 1;
    out->heun_solver = solver == 1;
    return SL_OK;
}

static sl_status read_values(const json_t *config, sl_sampler_settings *out) {
    sl_noise_schedule_settings *schedule = &out->schedule;
    SL_TRY(sl_json_int_or(config, "num_train_timesteps", 1, SL_LIMIT_TRAIN_STEPS, schedule->train_steps,
                          &schedule->train_steps));
    SL_TRY(sl_json_real_or(config, "beta_start", schedule->beta_start, &schedule->beta_start));
    SL_TRY(sl_json_real_or(config, "beta_end", schedule->beta_end, &schedule->beta_end));
    if (strcmp(out->sampler->name, "pndm") != 0) /* the class has no such setting */
        SL_TRY(sl_json_bool_or(config, "rescale_betas_zero_snr", false, &schedule->zero_terminal_snr));
    SL_TRY(sl_json_int_or(config, "steps_offset", 0, SL_LIMIT_TRAIN_STEPS, out->steps_offset,
                          &out->steps_offset));
    SL_TRY(sl_json_bool_or(config, "set_alpha_to_one", out->set_alpha_to_one, &out->set_alpha_to_one));
    SL_TRY(sl_json_real_or(config, "clip_sample_range", out->clip_range, &out->clip_range));
    SL_TRY(sl_json_int_or(config, "solver_order", 1, 3, out->solver_order, &out->solver_order));
    SL_TRY(sl_json_bool_or(config, "lower_order_final", out->lower_order_final, &out->lower_order_final));
    SL_TRY(sl_json_bool_or(config, "euler_at_final", out->euler_at_final, &out->euler_at_final));
    if (out->sampler->takes_karras) SL_TRY(sl_json_bool_or(config, "use_karras_sigmas", false, &out->karras));
    return sl_json_bool_or(config, "clip_sample", out->clip_sample, &out->clip_sample);
}

static sl_status find_class(const json_t *config, const sl_sampler **out) {
    const char *name;
    SL_TRY(sl_json_string(config, "_class_name", &name));
    for (int i = 0; i < SAMPLERS; i++) {
        if (strcmp(samplers[i]->class_name, name) != 0) continue;
        *out = samplers[i];
        return SL_OK;
    }
    return sl_fail(SL_UNSUPPORTED, "scheduler class \"%.60s\" is not here; choose a sampler: %s", name,
                   sl_sampler_choices);
}

sl_status sl_sampler_settings_from_json(const json_t *config, const sl_sampler *sampler,
                                        sl_sampler_settings *out) {
    if (!json_is_object(config)) return sl_fail(SL_FORMAT, "a scheduler configuration is a JSON object");
    if (!sampler) SL_TRY(find_class(config, &sampler));
    sl_sampler_settings settings = sl_sampler_settings_default(sampler);
    SL_TRY(refuse_unknown(config, sampler));
    SL_TRY(read_choices(config, &settings));
    SL_TRY(read_values(config, &settings));
    *out = settings;
    return SL_OK;
}

/* Python writes -Infinity, which is not JSON, for an unset lower bound: read as null. In place, same length
 * or less. */
static void blank_infinities(char *text) {
    bool quoted = false;
    for (char *c = text; *c; c++) {
        if (quoted && *c == '\\' && c[1])
            c++;
        else if (*c == '"')
            quoted = !quoted;
        if (quoted || strncmp(c, "-Infinity", 9) != 0) continue;
        memcpy(c, "null     ", 9);
    }
}

sl_status sl_sampler_settings_read(const char *path, const sl_sampler *sampler, sl_sampler_settings *out) {
    char file[SL_LIMIT_PATH_BYTES], *text;
    size_t bytes;
    int length =
        snprintf(file, sizeof file, sl_path_is_folder(path) ? "%s/scheduler_config.json" : "%s", path);
    if (length >= (int)sizeof file) return sl_fail(SL_LIMIT, "path of %d bytes is too long", length);
    SL_TRY(sl_file_read(file, SL_LIMIT_JSON_BYTES, &text, &bytes));
    blank_infinities(text);
    json_t *config;
    sl_status status = sl_json_parse(text, bytes, file, &config);
    sl_free(text);
    SL_TRY(status);
    status = sl_context(sl_sampler_settings_from_json(config, sampler, out), "reading '%s'", file);
    json_decref(config);
    return status;
}

static const char karras_suffix[] = "_karras";

void sl_sampler_settings_name(const sl_sampler_settings *settings, char out[SL_SAMPLER_NAME_BYTES]) {
    snprintf(out, SL_SAMPLER_NAME_BYTES, "%s%s", settings->sampler->name,
             settings->karras ? karras_suffix : "");
}

sl_status sl_sampler_settings_use(const char *path, const char *name, sl_sampler_settings *out) {
    if (!name) return sl_sampler_settings_read(path, NULL, out);
    char base[SL_SAMPLER_NAME_BYTES];
    size_t length = strlen(name), tail = sizeof karras_suffix - 1;
    bool karras = length > tail && strcmp(name + length - tail, karras_suffix) == 0;
    if (karras) length -= tail;
    snprintf(base, sizeof base, "%.*s", (int)length, name);
    const sl_sampler *sampler = length < sizeof base ? sl_sampler_find(base) : NULL;
    if (!sampler || (karras && !sampler->takes_karras))
        return sl_fail(SL_INVALID, "no sampler '%.60s'; there are %s", name, sl_sampler_choices);
    SL_TRY(sl_sampler_settings_read(path, sampler, out));
    if (sampler->takes_karras) out->karras = karras;
    return SL_OK;
}

json_t *sl_sampler_settings_to_json(const sl_sampler_settings *settings) {
    const sl_noise_schedule_settings *schedule = &settings->schedule;
    json_t *config =
        json_pack("{s:s, s:s, s:I, s:f, s:f, s:s, s:n, s:s, s:s, s:I}", "_class_name",
                  settings->sampler->class_name, "_diffusers_version", "0.42.1", "num_train_timesteps",
                  (json_int_t)schedule->train_steps, "beta_start", schedule->beta_start, "beta_end",
                  schedule->beta_end, "beta_schedule", betas_names[schedule->betas], "trained_betas",
                  "prediction_type", prediction_names[settings->prediction], "timestep_spacing",
                  spacing_names[settings->spacing], "steps_offset", (json_int_t)settings->steps_offset);
    json_t *more = json_pack("{s:b, s:b, s:b, s:f, s:b}", "set_alpha_to_one", settings->set_alpha_to_one,
                             "skip_prk_steps", 1, "clip_sample", settings->clip_sample, "clip_sample_range",
                             settings->clip_range, "rescale_betas_zero_snr", schedule->zero_terminal_snr);
    json_object_update(config, more);
    json_decref(more);
    if (settings->sampler->takes_karras) {
        json_object_set_new(config, "use_karras_sigmas", json_boolean(settings->karras));
        json_object_set_new(config, "final_sigmas_type",
                            json_string(last_sigma_names[settings->last_sigma_is_min]));
    }
    if (strcmp(settings->sampler->name, "dpmpp_2m") == 0) {
        more = json_pack("{s:s, s:s, s:I, s:b, s:b}", "algorithm_type",
                         algorithm_names[settings->stochastic_solver], "solver_type",
                         solver_names[settings->heun_solver], "solver_order",
                         (json_int_t)settings->solver_order, "lower_order_final", settings->lower_order_final,
                         "euler_at_final", settings->euler_at_final);
        json_object_update(config, more);
        json_decref(more);
    }
    return config;
}
