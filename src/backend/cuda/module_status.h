/* Failures of the module go to the program's thread message, notes to its log: the host's functions, given
 * once. */
#ifndef SL_BACKEND_CUDA_MODULE_STATUS_H
#define SL_BACKEND_CUDA_MODULE_STATUS_H

#include "backend/device.h"

void sl_cuda_status_use(const sl_device_host *host);

/* One line for whoever runs the program. */
void sl_cuda_note(const char *format, ...) SL_PRINTF(1, 2);

#endif
