#ifndef SL_TESTS_CUDA_HOST_PIECES_H
#define SL_TESTS_CUDA_HOST_PIECES_H

#include <stdbool.h>

/* Threads that share an item of a block, 1 to 8. */
extern int host_team_size;

/* Positions in 64 bits for all calls, not for the largest alone. */
extern bool host_is_wide;

void host_pieces_use(void);

#endif
