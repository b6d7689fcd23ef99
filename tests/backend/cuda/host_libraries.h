/* cuBLASLt, cuDNN and the module's pieces as far as the module uses them, computing in host memory: what the
 * kernels ask of the libraries can be compared with the operations' references. Written from the libraries'
 * documentation of layouts (column-major matrices; tensors by dimensions and strides). */
#ifndef SL_TESTS_CUDA_HOST_LIBRARIES_H
#define SL_TESTS_CUDA_HOST_LIBRARIES_H

#include <stdbool.h>

/* Puts them in the table's place. */
void host_libraries_use(void);

/* Things made and not yet destroyed. */
int host_libraries_alive(void);

/* Plans of cuDNN made so far. */
int host_plans_made(void);

/* From here on cuDNN knows no engine for gradients of another dtype than the images'; for fused attention;
 * for a convolution with its bias; or no engine at all (cuBLASLt too). */
extern bool host_has_no_mixed_gradient, host_has_no_bias, host_has_no_attention, host_has_no_engine;

#endif
