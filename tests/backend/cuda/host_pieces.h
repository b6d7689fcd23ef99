#ifndef SL_TESTS_CUDA_HOST_PIECES_H
#define SL_TESTS_CUDA_HOST_PIECES_H

void host_pieces_use(void);

#endif
