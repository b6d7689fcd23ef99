/* Speed of whole models on this machine, with random weights: the same shapes that are measured with PyTorch
 * beside. */
#ifndef SL_LOOP_BENCH_H
#define SL_LOOP_BENCH_H

#include "loop/option/option.h"

typedef struct sl_bench_settings {
    int dtype; /* sl_engine_dtype */
    int64_t repeats, warmup;
    const char *threads; /* "1,2": each number in turn; NULL: one for each CPU */
    bool paced, profile, list, memory;
} sl_bench_settings;

extern const sl_option sl_bench_options[];

/* What can be measured, from index 0 on; and a line about each. */
const char *sl_bench_name(int index); /* NULL behind the last */
const char *sl_bench_about(const char *name);

/* A model made ready; every run does the same work. */
typedef struct sl_bench sl_bench;
/* SL_NOT_FOUND lists the names. */
sl_status sl_bench_open(const char *name, const sl_bench_settings *settings, sl_bench **out);
sl_status sl_bench_run(sl_bench *bench, double *out_seconds);
double
sl_bench_gflop(const sl_bench *bench); /* arithmetic of one run: direct convolution, no Winograd saving */
/* Time of the runs so far by kernel, for people, and what share of the peak of our own matrix product they
 * reach, which is measured now; settings->profile must have been set. */
sl_status sl_bench_profile(const sl_bench *bench, sl_text *out);
void sl_bench_close(sl_bench *bench);

/* Largest resident memory of this process so far. */
double sl_bench_peak_rss_mb(void);

#endif
