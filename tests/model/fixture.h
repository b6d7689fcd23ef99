/* The PyTorch fixtures: one safetensors file a case, arrays as torch stores them (NCHW). */
#ifndef SL_TESTS_MODEL_FIXTURE_H
#define SL_TESTS_MODEL_FIXTURE_H

#include "test.h"

#include "nn/program.h"
#include "tensor/tensor.h"
#include "weights/safetensors.h"

/* Path below the fixture folder; skips the test, saying so, where there is none. The result is reused. */
const char *fixture_path(const char *name);

sl_safetensors *fixture_open(const char *name);

/* A stored tensor as F32 (integers as I32). */
sl_tensor fixture_tensor(const sl_safetensors *file, const char *name);

/* [N,C,H,W] to [N,H,W,C] and back; frees the argument. */
sl_tensor to_nhwc(sl_tensor tensor);
sl_tensor to_nchw(sl_tensor tensor);

/* max|a-b| / max|b| */
double relative_error(const float *a, const float *b, int64_t count);

/* The program's output, transposed to NCHW where it has four dimensions, against a stored tensor. */
void assert_output_near(sl_program *program, const char *output, const sl_safetensors *file,
                        const char *expected, double tolerance);

/* Input of a program from a stored tensor, transposed to NHWC where it has four dimensions. */
void set_from_fixture(sl_program *program, const char *input, const sl_safetensors *file, const char *name);

#endif
