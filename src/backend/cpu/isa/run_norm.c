/* GROUP_NORM, LAYER_NORM, BATCH_NORM and their gradients. Parameters of any type are read as fp32. */
#include "backend/cpu/isa/run.h"

static bool accepts_statistics(const sl_call *call, int mean) {
    return is_type(call, mean, SL_F32) && is_type(call, mean + 1, SL_F32);
}

/* Scratch: parameters, then statistics that nobody wants, then the kernel's workspace. */
static size_t head_room(int64_t parameters, int64_t statistics) {
    return parameter_room(parameters) + (size_t)(4 * round_up(statistics, 16)) * sizeof(float);
}

/* ---- group norm ---- */

static sl_cpu_group_norm group_arguments(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    int64_t batch = x->shape.dim[0], channels = sl_operand_columns(x);
    return (sl_cpu_group_norm){.batch = batch,
                               .pixels = sl_operand_rows(x) / batch,
                               .channels = channels,
                               .groups = call->attrs->groups,
                               .dtype = x->dtype,
                               .epsilon = call->attrs->eps,
                               .silu = call->attrs->silu != 0,
                               .x = x->data,
                               .y = call->out[0].data};
}

static size_t group_room(const sl_call *call) {
    sl_cpu_group_norm g = group_arguments(call);
    return head_room(g.channels, g.batch * g.groups);
}

static size_t group_scratch(const sl_call *call) {
    sl_cpu_group_norm g = group_arguments(call);
    return group_room(call) + SL_ISA(group_norm_bytes)(&g);
}

static sl_status group_run(const sl_call *call) {
    sl_cpu_group_norm g = group_arguments(call);
    float *room = call->scratch;
    g.gamma = as_floats(call, 1, &room);
    g.beta = as_floats(call, 2, &room);
    g.mean = wanted_or(call, 1, g.batch * g.groups, &room);
    g.rstd = wanted_or(call, 2, g.batch * g.groups, &room);
    g.workspace = (char *)call->scratch + group_room(call);
    SL_ISA(group_norm)(&g);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(group_norm) = {.scratch = group_scratch, .run = group_run};

static sl_cpu_group_norm_grad group_grad_arguments(const sl_call *call) {
    sl_cpu_group_norm g = group_arguments(call);
    return (sl_cpu_group_norm_grad){.batch = g.batch,
                                    .pixels = g.pixels,
                                    .channels = g.channels,
                                    .groups = g.groups,
                                    .dtype = g.dtype,
                                    .silu = g.silu,
                                    .x = g.x,
                                    .grad_y = call->in[5].data,
                                    .mean = call->in[3].data,
                                    .rstd = call->in[4].data,
                                    .grad_x = wanted(call, 0)};
}

static bool group_grad_accepts(const sl_call *call) {
    return accepts_statistics(call, 3) && is_type(call, 5, call->in[0].dtype);
}

static size_t group_grad_room(const sl_call *call) {
    return head_room(sl_operand_columns(&call->in[0]), sl_operand_columns(&call->in[0]));
}

static size_t group_grad_scratch(const sl_call *call) {
    sl_cpu_group_norm_grad g = group_grad_arguments(call);
    return group_grad_room(call) + SL_ISA(group_norm_grad_bytes)(&g);
}

static sl_status group_grad_run(const sl_call *call) {
    sl_cpu_group_norm_grad g = group_grad_arguments(call);
    float *room = call->scratch;
    g.gamma = as_floats(call, 1, &room);
    g.beta = as_floats(call, 2, &room);
    if (sl_call_wants(call, 1) || sl_call_wants(call, 2)) {
        g.grad_gamma = wanted_or(call, 1, g.channels, &room);
        g.grad_beta = wanted_or(call, 2, g.channels, &room);
    }
    g.workspace = (char *)call->scratch + group_grad_room(call);
    SL_ISA(group_norm_grad)(&g);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(group_norm_bwd) = {
    .accepts = group_grad_accepts, .scratch = group_grad_scratch, .run = group_grad_run};

/* ---- layer norm ---- */

static size_t layer_scratch(const sl_call *call) {
    return head_room(sl_operand_columns(&call->in[0]), sl_operand_rows(&call->in[0]));
}

static sl_status layer_run(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    float *room = call->scratch;
    sl_cpu_layer_norm l = {.rows = sl_operand_rows(x),
                           .width = sl_operand_columns(x),
                           .dtype = x->dtype,
                           .epsilon = call->attrs->eps,
                           .x = x->data,
                           .y = call->out[0].data};
    l.gamma = as_floats(call, 1, &room);
    l.beta = as_floats(call, 2, &room);
    l.mean = wanted_or(call, 1, l.rows, &room);
    l.rstd = wanted_or(call, 2, l.rows, &room);
    SL_ISA(layer_norm)(&l);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(layer_norm) = {.scratch = layer_scratch, .run = layer_run};

/* x, gamma, mean, rstd, dy: the operands of both LAYER_NORM_BWD and BATCH_NORM_BWD */
static bool rows_grad_accepts(const sl_call *call) {
    return accepts_statistics(call, 2) && is_type(call, 4, call->in[0].dtype);
}

static size_t rows_grad_room(const sl_call *call) {
    return head_room(sl_operand_columns(&call->in[0]), sl_operand_columns(&call->in[0]));
}

static sl_cpu_layer_norm_grad layer_grad_arguments(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    return (sl_cpu_layer_norm_grad){.rows = sl_operand_rows(x),
                                    .width = sl_operand_columns(x),
                                    .dtype = x->dtype,
                                    .x = x->data,
                                    .grad_y = call->in[4].data,
                                    .mean = call->in[2].data,
                                    .rstd = call->in[3].data,
                                    .grad_x = wanted(call, 0)};
}

static size_t layer_grad_scratch(const sl_call *call) {
    sl_cpu_layer_norm_grad l = layer_grad_arguments(call);
    return rows_grad_room(call) + SL_ISA(layer_norm_grad_bytes)(&l);
}

static sl_status layer_grad_run(const sl_call *call) {
    sl_cpu_layer_norm_grad l = layer_grad_arguments(call);
    float *room = call->scratch;
    l.gamma = as_floats(call, 1, &room);
    if (sl_call_wants(call, 1) || sl_call_wants(call, 2)) {
        l.grad_gamma = wanted_or(call, 1, l.width, &room);
        l.grad_beta = wanted_or(call, 2, l.width, &room);
    }
    l.workspace = (char *)call->scratch + rows_grad_room(call);
    SL_ISA(layer_norm_grad)(&l);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(layer_norm_bwd) = {
    .accepts = rows_grad_accepts, .scratch = layer_grad_scratch, .run = layer_grad_run};

/* ---- batch norm ---- */

static sl_cpu_batch_norm batch_arguments(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    return (sl_cpu_batch_norm){.rows = sl_operand_rows(x),
                               .channels = sl_operand_columns(x),
                               .dtype = x->dtype,
                               .epsilon = call->attrs->eps,
                               .training = call->attrs->training != 0,
                               .x = x->data,
                               .y = call->out[0].data};
}

static bool batch_accepts(const sl_call *call) {
    return call->attrs->training || accepts_statistics(call, 3);
}

static size_t batch_scratch(const sl_call *call) {
    sl_cpu_batch_norm b = batch_arguments(call);
    return head_room(b.channels, b.channels) + SL_ISA(batch_norm_bytes)(&b);
}

static sl_status batch_run(const sl_call *call) {
    sl_cpu_batch_norm b = batch_arguments(call);
    float *room = call->scratch;
    b.gamma = as_floats(call, 1, &room);
    b.beta = as_floats(call, 2, &room);
    b.mean = wanted_or(call, 1, b.channels, &room);
    b.rstd = wanted_or(call, 2, b.channels, &room);
    b.workspace = (char *)call->scratch + head_room(b.channels, b.channels);
    if (!b.training) {
        b.running_mean = call->in[3].data;
        b.running_variance = call->in[4].data;
    }
    b.unbiased = wanted(call, 3);
    SL_ISA(batch_norm)(&b);
    if (b.unbiased && !b.training) memcpy(b.unbiased, b.running_variance, (size_t)b.channels * sizeof(float));
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(batch_norm) = {
    .accepts = batch_accepts, .scratch = batch_scratch, .run = batch_run};

static sl_cpu_batch_norm_grad batch_grad_arguments(const sl_call *call) {
    const sl_operand *x = &call->in[0];
    return (sl_cpu_batch_norm_grad){.rows = sl_operand_rows(x),
                                    .channels = sl_operand_columns(x),
                                    .dtype = x->dtype,
                                    .training = call->attrs->training != 0,
                                    .x = x->data,
                                    .grad_y = call->in[4].data,
                                    .mean = call->in[2].data,
                                    .rstd = call->in[3].data,
                                    .grad_x = wanted(call, 0)};
}

static size_t batch_grad_scratch(const sl_call *call) {
    sl_cpu_batch_norm_grad b = batch_grad_arguments(call);
    return rows_grad_room(call) + SL_ISA(batch_norm_grad_bytes)(&b);
}

static sl_status batch_grad_run(const sl_call *call) {
    sl_cpu_batch_norm_grad b = batch_grad_arguments(call);
    float *room = call->scratch;
    b.gamma = as_floats(call, 1, &room);
    b.grad_gamma = wanted_or(call, 1, b.channels, &room);
    b.grad_beta = wanted_or(call, 2, b.channels, &room);
    b.workspace = (char *)call->scratch + rows_grad_room(call);
    SL_ISA(batch_norm_grad)(&b);
    return SL_OK;
}

const sl_kernel_code SL_ISA_CODE(batch_norm_bwd) = {
    .accepts = rows_grad_accepts, .scratch = batch_grad_scratch, .run = batch_grad_run};
