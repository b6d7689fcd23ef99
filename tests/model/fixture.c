#include "fixture.h"

#include "base/file.h"
#include "shared.h"

#include <math.h>
#include <string.h>

const char *fixture_path(const char *name) {
    char below[1024];
    snprintf(below, sizeof below, "golden/dev/%s", name);
    const char *path = shared_path(below);
    if (!path) skip_because("no %s; set SL_SHARED", below);
    return path;
}

sl_safetensors *fixture_open(const char *name) {
    sl_safetensors *file = NULL;
    assert_ok(sl_safetensors_open(fixture_path(name), &file));
    return file;
}

sl_tensor fixture_tensor(const sl_safetensors *file, const char *name) {
    const sl_stored_tensor *stored = sl_safetensors_find(file, name);
    sl_tensor tensor = {0};
    if (!stored) fail_msg("no tensor '%s' in the fixture", name);
    bool integer = stored->dtype == SL_I64 || stored->dtype == SL_I32;
    assert_ok(sl_safetensors_load(file, name, integer ? SL_I32 : SL_F32, &tensor));
    return tensor;
}

/* out[n][j][i] = in[n][i][j] */
static sl_tensor swap(sl_tensor tensor, int64_t rows, int64_t columns, sl_shape shape) {
    sl_tensor out;
    assert_ok(sl_tensor_new(SL_F32, &shape, &out));
    const float *in = tensor.data;
    float *to = out.data;
    for (int64_t n = 0; n < shape.dim[0]; n++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                to[(n * columns + j) * rows + i] = in[(n * rows + i) * columns + j];
    sl_tensor_free(&tensor);
    return out;
}

sl_tensor to_nhwc(sl_tensor tensor) {
    const int64_t *d = tensor.shape.dim;
    return swap(tensor, d[1], d[2] * d[3], SL_SHAPE(d[0], d[2], d[3], d[1]));
}

sl_tensor to_nchw(sl_tensor tensor) {
    const int64_t *d = tensor.shape.dim;
    return swap(tensor, d[1] * d[2], d[3], SL_SHAPE(d[0], d[3], d[1], d[2]));
}

double relative_error(const float *a, const float *b, int64_t count) {
    double worst = 0, largest = 1e-12;
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        if (!(difference <= worst)) worst = isnan(difference) ? INFINITY : difference;
        largest = fmax(largest, fabs((double)b[i]));
    }
    return worst / largest;
}

void assert_output_near(sl_program *program, const char *output, const sl_safetensors *file,
                        const char *expected, double tolerance) {
    sl_tensor got, want = fixture_tensor(file, expected);
    assert_ok(sl_program_get_tensor(program, output, &got));
    if (got.shape.rank == 4) got = to_nchw(got);
    sl_shape_text a, b;
    if (!sl_shape_equal(&got.shape, &want.shape))
        fail_msg("%s: shape %s, expected %s", expected, sl_shape_format(&got.shape, &a),
                 sl_shape_format(&want.shape, &b));
    double error = relative_error(got.data, want.data, sl_shape_count(&want.shape));
    if (!(error <= tolerance)) fail_msg("%s: relative error %.3g, allowed %.3g", expected, error, tolerance);
    sl_tensor_free(&got);
    sl_tensor_free(&want);
}

void set_from_fixture(sl_program *program, const char *input, const sl_safetensors *file, const char *name) {
    sl_tensor tensor = fixture_tensor(file, name);
    if (tensor.shape.rank == 4) tensor = to_nhwc(tensor);
    assert_ok(sl_program_set(program, input, tensor.data, sl_tensor_bytes(&tensor)));
    sl_tensor_free(&tensor);
}
