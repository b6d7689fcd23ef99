/* The one way by which named parameters get their values: drawn, or given in place of what was drawn. */
#include "xray/sim/scene.h"

/* Numbers of its own for each parameter and attempt: what is given for one changes no other. */
static sl_random random_of(const sl_scene *scene, sl_sim_parameter parameter) {
    sl_random random = scene->random;
    uint64_t attempt = random.counter >> 40;
    random.counter = UINT64_C(4) << 56 | attempt << 40 | (uint64_t)parameter << 20;
    random.left = 0;
    return random;
}

bool scene_is_given(const sl_scene *scene, sl_sim_parameter parameter) {
    return scene->given && scene->given[parameter].given;
}

double scene_number_unnoted(sl_scene *scene, sl_sim_parameter parameter, double drawn) {
    if (!scene_is_given(scene, parameter)) return drawn;
    const sl_sim_override *given = &scene->given[parameter];
    if (given->low == given->high) return given->low;
    sl_random random = random_of(scene, parameter);
    sl_sim_parameter_kind kind = sl_sim_parameter_info(parameter)->kind;
    if (kind == SL_SIM_PARAMETER_IS_WHOLE)
        return given->low + sl_random_below(&random, (uint32_t)(given->high - given->low) + 1);
    if (kind == SL_SIM_PARAMETER_IS_SCALE && given->low > 0)
        return sl_random_log_range(&random, given->low, given->high);
    return sl_random_range(&random, given->low, given->high);
}

int scene_word_unnoted(sl_scene *scene, sl_sim_parameter parameter, int drawn) {
    if (!scene_is_given(scene, parameter)) return drawn;
    const sl_sim_override *given = &scene->given[parameter];
    sl_random random = random_of(scene, parameter);
    return given->word[sl_random_below(&random, (uint32_t)given->word_count)];
}

void scene_note(sl_scene *scene, sl_sim_parameter parameter, double value) {
    json_object_set_new(scene->parameters, sl_sim_parameter_info(parameter)->name, json_real(value));
}

double scene_number(sl_scene *scene, sl_sim_parameter parameter, double drawn) {
    return scene_scaled(scene, parameter, drawn, 1);
}

double scene_scaled(sl_scene *scene, sl_sim_parameter parameter, double drawn, double unit) {
    double value = drawn;
    if (scene_is_given(scene, parameter)) value = scene_number_unnoted(scene, parameter, 0) * unit;
    scene_note(scene, parameter, value / unit);
    return value;
}

bool scene_flag(sl_scene *scene, sl_sim_parameter parameter, bool drawn) {
    bool value = scene_word_unnoted(scene, parameter, drawn) != 0;
    scene_note(scene, parameter, value);
    return value;
}

int scene_word(sl_scene *scene, sl_sim_parameter parameter, int drawn) {
    int index = scene_word_unnoted(scene, parameter, drawn);
    json_object_set_new(scene->parameters, sl_sim_parameter_info(parameter)->name,
                        json_string(sl_sim_parameter_word(parameter, index)));
    return index;
}
