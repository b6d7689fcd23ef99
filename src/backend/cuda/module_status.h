/* Failures of the module go to the program's thread message: the host's functions, given once. */
#ifndef SL_BACKEND_CUDA_MODULE_STATUS_H
#define SL_BACKEND_CUDA_MODULE_STATUS_H

#include "backend/device.h"

void sl_cuda_status_use(const sl_device_host *host);

#endif
