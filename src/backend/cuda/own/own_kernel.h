/* The code of every row of own/kernels.def. */
#ifndef SL_BACKEND_CUDA_OWN_KERNEL_H
#define SL_BACKEND_CUDA_OWN_KERNEL_H

#include "backend/kernel.h"

extern const sl_kernel_code sl_cuda_own_code;

#endif
