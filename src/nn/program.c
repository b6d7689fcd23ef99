#include "nn/program.h"

sl_status sl_program_begin(sl_program *program, sl_params *params) {
    *program = (sl_program){0};
    SL_TRY(sl_graph_new(&program->graph));
    sl_nn_open(&program->nn, program->graph, params);
    return SL_OK;
}

sl_status sl_program_finish(sl_program *program, const sl_plan_options *options) {
    SL_TRY(sl_graph_status(program->graph));
    SL_TRY(sl_plan_new(program->graph, options, &program->plan));
    SL_TRY(sl_nn_bind(&program->nn, program->plan));
    return sl_plan_reserve(program->plan);
}

void sl_program_end(sl_program *program) {
    if (!program->graph) return;
    sl_plan_free(program->plan);
    sl_nn_close(&program->nn);
    sl_graph_free(program->graph);
    *program = (sl_program){0};
}

static sl_status find(const sl_program *program, const char *name, sl_value *out) {
    *out = sl_graph_find(program->graph, name);
    if (!sl_value_is(*out)) return sl_fail(SL_NOT_FOUND, "the graph has no input or output '%s'", name);
    return SL_OK;
}

sl_status sl_program_set(sl_program *program, const char *input, const void *data, size_t bytes) {
    sl_value value;
    SL_TRY(find(program, input, &value));
    return sl_context(sl_plan_upload(program->plan, value, data, bytes), "input '%s'", input);
}

sl_status sl_program_get(sl_program *program, const char *output, void *data, size_t bytes) {
    sl_value value;
    SL_TRY(find(program, output, &value));
    return sl_context(sl_plan_download(program->plan, value, data, bytes), "output '%s'", output);
}

sl_status sl_program_get_tensor(sl_program *program, const char *output, sl_tensor *out) {
    sl_value value;
    SL_TRY(find(program, output, &value));
    sl_shape shape = sl_value_shape(program->graph, value);
    sl_tensor tensor;
    SL_TRY(sl_tensor_new(sl_value_dtype(program->graph, value), &shape, &tensor));
    sl_status status = sl_plan_download(program->plan, value, tensor.data, sl_tensor_bytes(&tensor));
    if (status == SL_OK)
        *out = tensor;
    else
        sl_tensor_free(&tensor);
    return sl_context(status, "output '%s'", output);
}

sl_status sl_program_run(sl_program *program) {
    return sl_plan_run(program->plan);
}
