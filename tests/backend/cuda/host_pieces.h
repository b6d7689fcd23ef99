#ifndef SL_TESTS_CUDA_HOST_PIECES_H
#define SL_TESTS_CUDA_HOST_PIECES_H

/* Threads that share a TEAM's item, 1 to 8. */
extern int host_team_size;

void host_pieces_use(void);

#endif
