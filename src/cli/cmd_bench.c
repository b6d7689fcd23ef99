/* Speed of whole models. */
#include "cli/command.h"
#include "base/numeric/sort.h"
#include "base/threads.h"
#include "loop/bench/bench.h"
#include "loop/bench/bench_memory.h"
#include "loop/engine.h"

#include <stdio.h>
#include <stdlib.h>

enum { NUMBERS_MAX = 16, THREADS_MAX = 256 };

/* Answers each line on standard input with the seconds of one run. */
static sl_status run_paced(sl_bench *bench) {
    char line[64];
    double seconds;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        SL_TRY(sl_bench_run(bench, &seconds));
        printf("%.6f\n", seconds);
        fflush(stdout);
    }
    return SL_OK;
}

static sl_status run_timed(sl_cli *cli, sl_bench *bench, const char *name, const sl_bench_settings *s,
                           double *out_median_s) {
    double *seconds = SL_NEW(cli->arena, double, s->repeats), ignored;
    for (int64_t i = 0; i < s->warmup; i++) SL_TRY(sl_bench_run(bench, &ignored));
    for (int64_t i = 0; i < s->repeats; i++) {
        SL_TRY(sl_progress_check(&cli->progress));
        sl_progress_tell(&cli->progress, name, "run", i, s->repeats, NULL);
        SL_TRY(sl_bench_run(bench, &seconds[i]));
    }
    sl_progress_tell(&cli->progress, name, "run", s->repeats, s->repeats, NULL);
    sl_sort_doubles(seconds, (size_t)s->repeats);
    size_t n = (size_t)s->repeats;
    double median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2, gflop = sl_bench_gflop(bench),
           rss = sl_bench_peak_rss_mb();
    sl_cli_print(cli, "%-22s %s  min %.3f s  median %.3f s  %.0f GFLOP  %.0f GFLOP/s  peak %.0f MB", name,
                 sl_engine_dtype_name(s->dtype), seconds[0], median, gflop, gflop / median, rss);
    char engine[320];
    SL_TRY(sl_engine_text(engine, sizeof engine));
    json_t *row = json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:I}", "engine", engine, "name", name,
                            "dtype", sl_engine_dtype_name(s->dtype), "min_s", seconds[0], "median_s", median,
                            "gflop", gflop, "peak_rss_mb", rss, "runs", (json_int_t)n);
    json_object_update(cli->result, row);
    json_decref(row);
    *out_median_s = median;
    return SL_OK;
}

static sl_status bench_once(sl_cli *cli, const char *name, const sl_bench_settings *s, double *out_median_s) {
    sl_bench *bench;
    SL_TRY(sl_bench_open(name, s, &bench));
    sl_status status = s->paced ? run_paced(bench) : run_timed(cli, bench, name, s, out_median_s);
    if (!status && s->profile) {
        sl_text text = SL_TEXT_INIT;
        status = sl_bench_profile(bench, &text);
        if (!status) sl_cli_print(cli, "%s", sl_text_get(&text));
        sl_text_free(&text);
    }
    sl_bench_close(bench);
    return status;
}

/* The option --threads: how many numbers there are. */
static sl_status read_threads(const char *text, int numbers[NUMBERS_MAX], int *out_count) {
    int count = 0;
    for (const char *at = text; at;) {
        char *end;
        long value = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || value < 0 || value > THREADS_MAX || count == NUMBERS_MAX)
            return sl_fail(SL_INVALID,
                           "--threads '%s': expected up to %d numbers of threads from 0 to %d, as in 1,2",
                           text, NUMBERS_MAX, THREADS_MAX);
        numbers[count++] = (int)value;
        at = *end ? end + 1 : NULL;
    }
    *out_count = count;
    return SL_OK;
}

static sl_status bench_one(sl_cli *cli, const char *name, const sl_bench_settings *s) {
    int numbers[NUMBERS_MAX] = {0}, count = 1;
    double median_s[NUMBERS_MAX] = {0};
    json_t *scaling = json_array();
    sl_status status = s->threads ? read_threads(s->threads, numbers, &count) : SL_OK;
    for (int i = 0; i < count && !status; i++) {
        status = sl_threads_set(numbers[i]);
        int threads = sl_threads_count();
        if (count > 1) sl_cli_print(cli, "%d thread%s:", threads, threads == 1 ? "" : "s");
        if (!status) status = bench_once(cli, name, s, &median_s[i]);
        json_array_append_new(scaling, json_pack("{s:i, s:f}", "threads", threads, "median_s", median_s[i]));
        if (i && !status) sl_cli_print(cli, "%.2f times as fast as the first", median_s[0] / median_s[i]);
    }
    if (count > 1) json_object_set(cli->result, "scaling", scaling);
    json_decref(scaling);
    return status;
}

static sl_status show_memory(sl_cli *cli, const sl_bench_settings *s) {
    sl_text text = SL_TEXT_INIT;
    sl_bench_memory memory;
    sl_dtype dtype;
    SL_TRY(sl_engine_dtype(s->dtype, &dtype));
    sl_status status = sl_bench_memory_plan(dtype, 0, &text, &memory);
    if (status == SL_OK) {
        sl_cli_print(cli, "%.*s", (int)text.length - 1, sl_text_get(&text));
        json_object_set_new(cli->result, "dtype", json_string(sl_engine_dtype_name(s->dtype)));
        json_object_set_new(cli->result, "generation_gb", json_real(memory.generation_gb));
        json_object_set_new(cli->result, "training_gb", json_real(memory.training_gb));
    }
    sl_text_free(&text);
    return status;
}

static sl_status run(sl_cli *cli, void *settings) {
    const sl_bench_settings *s = settings;
    if (s->memory) return show_memory(cli, s);
    if (s->list) {
        for (int i = 0; sl_bench_name(i); i++)
            sl_cli_print(cli, "%-22s %s", sl_bench_name(i), sl_bench_about(sl_bench_name(i)));
        return SL_OK;
    }
    if (cli->arguments.count == 0)
        for (int i = 0; sl_bench_name(i); i++) SL_TRY(bench_one(cli, sl_bench_name(i), s));
    for (int i = 0; i < cli->arguments.count; i++) SL_TRY(bench_one(cli, cli->arguments.item[i], s));
    return SL_OK;
}

const sl_command sl_command_bench = {
    .name = "bench",
    .summary = "measure the speed of whole models on this machine",
    .arguments = "[NAME...]",
    .description = "Random weights; the time of a run depends on shapes alone. Without a name everything is "
                   "measured, which\n"
                   "takes several minutes and up to 12 GB. GFLOP counts direct arithmetic.",
    .examples = "  scatterloop bench unet-sd15-512-b2 --json\n"
                "  scatterloop bench resnet50-train-b16 --dtype bf16 --profile\n"
                "  scatterloop bench base-train-b16 --threads 1,2\n",
    .arguments_min = 0,
    .arguments_max = -1,
    .options = sl_bench_options,
    .settings_bytes = sizeof(sl_bench_settings),
    .run = run,
};
