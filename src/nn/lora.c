#include "nn/lora.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

const char *const sl_lora_attention_targets[] = {"to_q", "to_k", "to_v", "to_out.0", NULL};

static const char down_suffix[] = ".lora.down.weight", up_suffix[] = ".lora.up.weight";

sl_status sl_lora_new(const char *const *targets, int64_t rank, double alpha, sl_lora **out) {
    if (rank < 1 || rank > 4096)
        return sl_fail(SL_INVALID, "LoRA rank %lld, expected 1 to 4096", (long long)rank);
    sl_arena *arena;
    SL_TRY(sl_arena_new(&arena));
    sl_lora *lora = SL_NEW(arena, sl_lora, 1);
    *lora = (sl_lora){.arena = arena, .rank = rank, .alpha = alpha > 0 ? alpha : (double)rank, .scale = 1.0};
    sl_status status = sl_params_new(&lora->params);
    for (; status == SL_OK && targets && targets[lora->target_count];) {
        if (lora->target_count == SL_LORA_TARGETS_MAX) {
            status = sl_fail(SL_LIMIT, "more than %d LoRA targets", SL_LORA_TARGETS_MAX);
            break;
        }
        lora->targets[lora->target_count] = sl_arena_strdup(arena, targets[lora->target_count]);
        lora->target_count++;
    }
    if (status != SL_OK) {
        sl_lora_free(lora);
        return status;
    }
    *out = lora;
    return SL_OK;
}

void sl_lora_free(sl_lora *lora) {
    if (!lora) return;
    sl_params_free(lora->params);
    sl_arena_free(lora->arena);
}

static bool is_target(const sl_lora *lora, const char *path) {
    size_t length = strlen(path);
    for (int i = 0; i < lora->target_count; i++) {
        size_t n = strlen(lora->targets[i]);
        if (n <= length && strcmp(path + length - n, lora->targets[i]) == 0 &&
            (n == length || path[length - n - 1] == '.'))
            return true;
    }
    return false;
}

/* The rank for the layer at `path`, 0 where the adapter leaves it alone. */
static int64_t layer_rank(const sl_lora *lora, const char *path) {
    char name[512];
    snprintf(name, sizeof name, "%s%s", path, down_suffix);
    const sl_param *down = sl_params_find(lora->params, name);
    if (down) return down->value.shape.dim[0];
    return is_target(lora, path) ? lora->rank : 0;
}

/* down ~ normal(0, 1/rank), as diffusers' "gaussian"; up = 0, so that a new adapter changes nothing. */
static sl_value down_weight(sl_nn *nn, const sl_lora *lora, int64_t rank, sl_shape shape) {
    return sl_nn_parameter_in(nn, lora->params, "lora.down.weight", shape, sl_init_normal(1.0 / (double)rank),
                              false);
}

static sl_value up_weight(sl_nn *nn, const sl_lora *lora, sl_shape shape) {
    return sl_nn_parameter_in(nn, lora->params, "lora.up.weight", shape, SL_INIT_RULE_ZEROS, false);
}

sl_value sl_lora_linear(sl_nn *nn, const sl_lora *lora, sl_value x, sl_value y) {
    int64_t rank = layer_rank(lora, sl_nn_path(nn));
    if (rank == 0) return y;
    sl_value down = down_weight(nn, lora, rank, SL_SHAPE(rank, sl_value_dim(nn->graph, x, -1)));
    sl_value up = up_weight(nn, lora, SL_SHAPE(sl_value_dim(nn->graph, y, -1), rank));
    sl_value low = sl_linear(nn->graph, x, down, SL_NONE);
    double factor = lora->scale * lora->alpha / (double)rank;
    if (factor != 1.0) low = sl_scale(nn->graph, low, factor, 0.0); /* the narrow side: fewest numbers */
    return sl_add(nn->graph, y, sl_linear(nn->graph, low, up, SL_NONE));
}

sl_value sl_lora_conv2d(sl_nn *nn, const sl_lora *lora, sl_value x, sl_value y, sl_nn_conv conv) {
    int64_t rank = layer_rank(lora, sl_nn_path(nn));
    if (rank == 0) return y;
    sl_shape shape = SL_SHAPE(rank, sl_value_dim(nn->graph, x, -1), conv.kernel, conv.kernel);
    sl_value down = down_weight(nn, lora, rank, shape);
    sl_value up = up_weight(nn, lora, SL_SHAPE(conv.out, rank, 1, 1));
    sl_value low = sl_conv2d(nn->graph, x, down, SL_NONE, conv.stride, conv.padding);
    double factor = lora->scale * lora->alpha / (double)rank;
    if (factor != 1.0) low = sl_scale(nn->graph, low, factor, 0.0);
    return sl_add(nn->graph, y, sl_conv2d(nn->graph, low, up, SL_NONE, 1, SL_PAD(0)));
}

/* w [O,I] += factor * up [O,R] down [R,I]; I stands for all sizes of a kernel but the first. */
static void add_product(float *w, const float *up, const float *down, int64_t out, int64_t rank, int64_t in,
                        double factor) {
    for (int64_t o = 0; o < out; o++) {
        for (int64_t i = 0; i < in; i++) {
            double sum = 0.0;
            for (int64_t r = 0; r < rank; r++) sum += (double)up[o * rank + r] * (double)down[r * in + i];
            w[o * in + i] = (float)((double)w[o * in + i] + factor * sum);
        }
    }
}

/* The layer's weight for the adapter parameter `down`; NULL when the store lacks it. */
static sl_param *adapted_weight(const sl_params *params, const sl_param *down) {
    char name[512];
    int stem = (int)(strlen(down->name) - strlen(down_suffix));
    snprintf(name, sizeof name, "%.*s.weight", stem, down->name);
    return sl_params_find(params, name);
}

static bool is_down(const sl_param *param) {
    size_t length = strlen(param->name), n = sizeof down_suffix - 1;
    return length > n && strcmp(param->name + length - n, down_suffix) == 0;
}

sl_status sl_lora_check(const sl_lora *lora, const sl_params *params) {
    sl_text lost = SL_TEXT_INIT;
    for (int i = 0; i < sl_params_count(lora->params); i++) {
        const sl_param *down = sl_params_at(lora->params, i);
        if (is_down(down) && !adapted_weight(params, down))
            sl_text_printf(&lost, "%s%s", lost.length ? ", " : "", down->name);
    }
    sl_status status = SL_OK;
    if (lost.length)
        status =
            sl_fail(SL_NOT_FOUND, "the model lacks the layers of these LoRA keys: %s", sl_text_get(&lost));
    sl_text_free(&lost);
    return status;
}

sl_status sl_lora_merge(const sl_lora *lora, sl_params *params, double scale) {
    SL_TRY(sl_lora_check(lora, params));
    for (int i = 0; i < sl_params_count(lora->params); i++) {
        const sl_param *down = sl_params_at(lora->params, i);
        if (!is_down(down)) continue;
        char name[512];
        int stem = (int)(strlen(down->name) - strlen(down_suffix));
        snprintf(name, sizeof name, "%.*s%s", stem, down->name, up_suffix);
        const sl_param *up = sl_params_find(lora->params, name);
        if (!up) return sl_fail(SL_NOT_FOUND, "the LoRA has '%s' but not '%s'", down->name, name);
        sl_param *weight = adapted_weight(params, down);
        SL_TRY(sl_param_hold(weight));
        int64_t rank = down->value.shape.dim[0], out = weight->value.shape.dim[0];
        int64_t in = sl_shape_count(&weight->value.shape) / out;
        if (weight->value.dtype != SL_F32)
            return sl_fail(SL_UNSUPPORTED, "'%s' is %s; a LoRA is merged into F32 weights", weight->name,
                           sl_dtype_name(weight->value.dtype));
        if (sl_shape_count(&up->value.shape) != out * rank || sl_shape_count(&down->value.shape) != rank * in)
            return sl_fail(SL_MISMATCH, "'%s' does not fit the shape of '%s'", down->name, weight->name);
        add_product(weight->value.data, up->value.data, down->value.data, out, rank, in,
                    scale * lora->scale * lora->alpha / (double)rank);
    }
    return SL_OK;
}
