/* Plans on a device, which here is one of guarded memory: the same bits as on the CPU's references, and no
 * byte read or written past the device's functions. */
#include "test.h"

#include "net.h"
#include "guarded_device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *gradient_of(const net *n, int i, size_t *out_bytes) {
    sl_parameter_info info = sl_graph_parameter(n->graph, i);
    *out_bytes = (size_t)sl_shape_count(&info.shape) * sizeof(float);
    return n->gradients[i];
}

static void same_gradients(const net *a, const net *b) {
    for (int i = 0; i < sl_graph_parameter_count(a->graph); i++) {
        size_t bytes;
        void *left = gradient_of(a, i, &bytes), *right = gradient_of(b, i, &bytes);
        if (left && memcmp(left, right, bytes) != 0)
            fail_msg("other bits in the gradient of %s", sl_graph_parameter(a->graph, i).name);
    }
}

static void on_cpu_and_device(net_options options, int runs) {
    net here, there;
    options.plan.force_isa = true; /* the references alone */
    net_new(&here, &options);
    options.plan.force_isa = false;
    guarded_device_use();
    net_new(&there, &options);
    for (int run = 0; run < runs; run++) assert_true(net_run(&here) == net_run(&there));
    same_gradients(&here, &there);
    net_free(&there);
    guarded_device_end();
    net_free(&here);
}

static void a_device_gives_what_the_cpu_gives(void **state) {
    (void)state;
    for (int variant = 0; variant < 8; variant++)
        on_cpu_and_device(
            (net_options){
                .dtype = SL_F32, .bf16 = variant & 1, .lora = variant & 2, .recompute = variant & 4},
            4);
}

static void poison_and_guard_work_on_a_device(void **state) {
    (void)state;
    on_cpu_and_device((net_options){.dtype = SL_F32, .plan = {.poison = true, .nan_guard = true}}, 2);
}

static void runs_are_recorded_once(void **state) {
    (void)state;
    net n;
    guarded_device_use();
    net_new(&n, &(net_options){.dtype = SL_F32, .lora = true});
    for (int run = 0; run < 5; run++) net_run(&n);
    assert_int_equal(guarded_device.records, 1);
    assert_int_equal(guarded_device.launches, 4);
    assert_ok(sl_plan_run_to(n.plan, n.loss)); /* part of a run is not recorded, nor does it spoil one */
    net_run(&n);
    assert_int_equal(guarded_device.records, 1);
    assert_int_equal(guarded_device.launches, 5);
    /* new addresses: plain first, then recorded anew */
    sl_parameter_info info = sl_graph_parameter(n.graph, 0);
    assert_ok(sl_plan_bind(n.plan, info.value, n.parameters[0]));
    for (int run = 0; run < 3; run++) net_run(&n);
    assert_int_equal(guarded_device.records, 2);
    assert_int_equal(guarded_device.launches, 7);
    net_free(&n);
    guarded_device_end();
}

/* Frozen weights go to the device once; what is trained goes there, and comes back, with each run. */
static void frozen_weights_stay_on_the_device(void **state) {
    (void)state;
    net n;
    guarded_device_use();
    net_new(&n, &(net_options){.dtype = SL_F32, .lora = true});
    net_run(&n);
    int after_first = guarded_device.uploads;
    net_run(&n);
    assert_int_equal(guarded_device.uploads - after_first, 2); /* one weight and its gradient */
    sl_plan_weights_changed(n.plan);
    int before = guarded_device.uploads;
    net_run(&n);
    assert_int_equal(guarded_device.uploads - before, sl_graph_parameter_count(n.graph) + 1);
    net_free(&n);
    guarded_device_end();
}

static void changed_weights_are_seen(void **state) {
    (void)state;
    net here, there;
    net_new(&here, &(net_options){.dtype = SL_F32, .lora = true, .plan.force_isa = true});
    guarded_device_use();
    net_new(&there, &(net_options){.dtype = SL_F32, .lora = true});
    for (int run = 0; run < 3; run++) {
        for (int i = 0; i < sl_graph_parameter_count(here.graph); i++) {
            ((float *)here.parameters[i])[0] += 0.25f;
            ((float *)there.parameters[i])[0] += 0.25f;
        }
        sl_plan_weights_changed(here.plan);
        sl_plan_weights_changed(there.plan);
        assert_true(net_run(&here) == net_run(&there));
    }
    net_free(&there);
    guarded_device_end();
    net_free(&here);
}

/* A device keeps a frozen weight once: packed where its kernels want that, for forward and backward alike. */
static void frozen_weights_are_held_once(void **state) {
    (void)state;
    net n;
    size_t frozen = 0, trained = 0, gradients = 0, count = 0;
    guarded_device_use();
    net_new(&n, &(net_options){.dtype = SL_F32, .lora = true});
    for (int i = 0; i < sl_graph_parameter_count(n.graph); i++) {
        sl_parameter_info info = sl_graph_parameter(n.graph, i);
        size_t bytes = (size_t)sl_shape_count(&info.shape) * sl_dtype_bytes(info.dtype);
        *(info.trainable ? &trained : &frozen) += bytes;
        if (info.trainable) gradients += bytes;
        count++;
    }
    sl_plan_memory memory = sl_plan_memory_of(n.plan);
    assert_true(memory.packed > frozen / 2 && memory.activations < memory.workspace);
    assert_true(memory.parameters + memory.packed >= frozen + trained);
    assert_true(memory.parameters + memory.packed <= frozen + trained + count * SL_ALIGNMENT);
    assert_int_equal(memory.gradients, gradients);
    net_run(&n);
    net_free(&n);
    guarded_device_end();
}

static void plans_share_the_weights_they_bind(void **state) {
    (void)state;
    net n;
    sl_plan *second;
    guarded_device_use();
    net_new(&n, &(net_options){.dtype = SL_F32, .lora = true});
    net_run(&n);
    size_t bytes = guarded_device.live_bytes;
    assert_ok(sl_plan_new(n.graph, NULL, &second));
    for (int i = 0; i < sl_graph_parameter_count(n.graph); i++) {
        sl_parameter_info info = sl_graph_parameter(n.graph, i);
        assert_ok(sl_plan_bind(second, info.value, n.parameters[i]));
        if (n.gradients[i]) assert_ok(sl_plan_bind_gradient(second, info.value, n.gradients[i]));
    }
    assert_ok(sl_plan_reserve(second));
    size_t own = guarded_device.live_bytes - bytes;
    assert_ok(sl_plan_run(second));
    assert_int_equal(guarded_device.live_bytes - bytes, own); /* no second copy of any weight */
    sl_plan_free(second);
    assert_int_equal(guarded_device.live_bytes, bytes);
    net_run(&n);
    net_free(&n);
    guarded_device_end();
}

static void a_bound_input_is_brought_before_each_run(void **state) {
    (void)state;
    sl_graph *g;
    sl_plan *plan;
    float x[4] = {1, 2, 3, 4}, y[4];
    guarded_device_use();
    assert_ok(sl_graph_new(&g));
    sl_value in = sl_input(g, "x", SL_F32, SL_SHAPE(4)), out = sl_square(g, in);
    sl_output(g, "y", out);
    assert_ok(sl_plan_new(g, NULL, &plan));
    assert_ok(sl_plan_bind(plan, in, x));
    assert_ok(sl_plan_reserve(plan));
    for (int run = 0; run < 3; run++) {
        x[2] = (float)run;
        assert_ok(sl_plan_run(plan));
        assert_ok(sl_plan_download(plan, out, y, sizeof y));
        assert_true(y[1] == 4 && y[2] == (float)(run * run));
    }
    sl_plan_free(plan);
    sl_graph_free(g);
    guarded_device_end();
}

/* x = 2 x + 1, kept = x before; five runs. */
static void run_assigned(float *x, float *kept) {
    sl_graph *graph;
    sl_plan *plan;
    assert_ok(sl_graph_new(&graph));
    sl_value state = sl_input(graph, "x", SL_F32, SL_SHAPE(3)),
             was = sl_input(graph, "was", SL_F32, SL_SHAPE(3));
    sl_value next = sl_scale(graph, state, 2, 1);
    sl_assign(graph, was, state);
    sl_assign(graph, state, next);
    assert_ok(sl_plan_new(graph, NULL, &plan));
    assert_ok(sl_plan_reserve(plan));
    assert_status(sl_plan_bind(plan, state, x), SL_INVALID);
    assert_ok(sl_plan_upload(plan, state, x, 3 * sizeof *x));
    int uploads = guarded_device.uploads, downloads = guarded_device.downloads;
    for (int run = 0; run < 5; run++) assert_ok(sl_plan_run(plan));
    assert_int_equal(guarded_device.uploads, uploads);
    assert_int_equal(guarded_device.downloads, downloads);
    assert_ok(sl_plan_download(plan, state, x, 3 * sizeof *x));
    assert_ok(sl_plan_download(plan, was, kept, 3 * sizeof *kept));
    sl_plan_free(plan);
    sl_graph_free(graph);
}

/* ... and nothing is read of what was there before. */
static void an_input_that_is_assigned_stays(void **state) {
    (void)state;
    const float expected[] = {31, 63, 95}, before[] = {15, 31, 47};
    for (int on_device = 0; on_device < 2; on_device++) {
        float x[] = {0, 1, 2}, kept[3];
        if (on_device) guarded_device_use();
        run_assigned(x, kept);
        if (on_device) guarded_device_end();
        assert_memory_equal(x, expected, sizeof x);
        assert_memory_equal(kept, before, sizeof kept);
    }
    sl_graph *graph;
    assert_ok(sl_graph_new(&graph));
    sl_assign(graph, sl_input(graph, "a", SL_F32, SL_SHAPE(3)), sl_input(graph, "b", SL_F32, SL_SHAPE(4)));
    assert_status(sl_graph_status(graph), SL_MISMATCH);
    assert_non_null(strstr(sl_error_message(), "'a'"));
    sl_graph_free(graph);
}

static void profiles_ask_the_device_for_the_time(void **state) {
    (void)state;
    net n;
    guarded_device_use();
    net_new(&n, &(net_options){.dtype = SL_F32, .plan.profile = true});
    net_run(&n);
    net_run(&n);
    assert_true(sl_plan_node(n.plan, 0).seconds == 1.0 && sl_plan_node(n.plan, 0).runs == 2);
    assert_string_equal(sl_plan_node(n.plan, 0).kernel, "guarded");
    net_free(&n);
    guarded_device_end();
}

/* ---- what goes wrong ---- */

static sl_status plan_square(void) {
    sl_graph *g;
    sl_plan *plan = NULL;
    assert_ok(sl_graph_new(&g));
    sl_output(g, "y", sl_square(g, sl_input(g, "x", SL_F32, SL_SHAPE(1024, 1024))));
    sl_status status = sl_plan_new(g, NULL, &plan);
    if (status == SL_OK) status = sl_plan_reserve(plan);
    sl_plan_free(plan);
    sl_graph_free(g);
    return status;
}

static void too_little_memory_is_told_before_the_run(void **state) {
    (void)state;
    size_t total = guarded_device_total_bytes;
    guarded_device_total_bytes = 5 << 20;
    guarded_device_use();
    assert_status(plan_square(), SL_MEMORY);
    assert_non_null(strstr(sl_error_message(), "guarded has 0.01 GB"));
    assert_int_equal(guarded_device.allocations, 0);
    guarded_device_end();
    guarded_device_total_bytes = total;
}

static void an_operation_without_kernel_is_named(void **state) {
    (void)state;
    guarded_device_failing_op = SL_OP_SQUARE;
    guarded_device_use();
    assert_status(plan_square(), SL_UNSUPPORTED);
    assert_non_null(strstr(sl_error_message(), "no kernel for square of F32"));
    guarded_device_end();
    guarded_device_failing_op = -1;
}

static void words_that_name_no_device_are_refused(void **state) {
    (void)state;
    static const char *const words[] = {"", "cuda:", "cuda:-1", "cuda:x", "cuda:99999", "../evil", ":0"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_status(sl_device_use(words[i]), SL_INVALID);
        assert_non_null(strstr(sl_error_message(), "expected cpu, auto, cuda"));
    }
}

static void devices_that_are_not_there_are_errors(void **state) {
    (void)state;
    const sl_device *device;
    setenv("SL_DEVICE_FOLDER", "/nonexistent", 1);
    for (int i = 0; i < 2; i++) {
        assert_ok(sl_device_use(i ? "cuda:1" : "rocm"));
        assert_status(plan_square(), SL_UNSUPPORTED);
        assert_non_null(strstr(sl_error_message(), i ? "./run build-cuda" : "no module for device 'rocm'"));
    }
    assert_ok(sl_device_use("auto"));
    assert_ok(sl_device_current(&device));
    assert_null(device);
    assert_ok(plan_square());
    assert_ok(sl_device_use("cpu"));
    unsetenv("SL_DEVICE_FOLDER");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_device_gives_what_the_cpu_gives),
    cmocka_unit_test(poison_and_guard_work_on_a_device),
    cmocka_unit_test(runs_are_recorded_once),
    cmocka_unit_test(frozen_weights_stay_on_the_device),
    cmocka_unit_test(changed_weights_are_seen),
    cmocka_unit_test(frozen_weights_are_held_once),
    cmocka_unit_test(plans_share_the_weights_they_bind),
    cmocka_unit_test(a_bound_input_is_brought_before_each_run),
    cmocka_unit_test(an_input_that_is_assigned_stays),
    cmocka_unit_test(profiles_ask_the_device_for_the_time),
    cmocka_unit_test(too_little_memory_is_told_before_the_run),
    cmocka_unit_test(an_operation_without_kernel_is_named),
    cmocka_unit_test(words_that_name_no_device_are_refused),
    cmocka_unit_test(devices_that_are_not_there_are_errors),
};
TEST_MAIN(tests)
