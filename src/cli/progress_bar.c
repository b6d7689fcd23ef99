#include "cli/progress_bar.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 24 };
static const double terminal_interval_s = 0.1, plain_interval_s = 10;

void sl_progress_bar_init(sl_progress_bar *bar, FILE *stream, bool silent) {
    *bar = (sl_progress_bar){.stream = stream, .terminal = isatty(fileno(stream)) == 1, .silent = silent};
    pthread_mutex_init(&bar->lock, NULL);
}

/* "0:07", "12:03", "3:15:00" */
static void format_duration(double seconds, char out[32]) {
    long whole = seconds < 0 ? 0 : seconds > 3.6e9 ? 3600000000L : (long)(seconds + 0.5);
    if (whole >= 3600) {
        snprintf(out, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        snprintf(out, 32, "%ld:%02ld", whole / 60, whole % 60);
    }
}

/* Fast work in units a second, slow work in seconds a unit. */
static void format_rate(double per_s, const char *unit, char out[64]) {
    if (per_s >= 1) {
        snprintf(out, 64, "%.1f %s/s", per_s, unit);
    } else {
        snprintf(out, 64, "%.1f s/%s", per_s > 0 ? 1 / per_s : 0, unit);
    }
}

static void draw(sl_progress_bar *bar, const sl_progress_report *report, double now_s) {
    char rate[64] = "", left[32] = "", line[256];
    int64_t advanced = report->done - bar->start_done;
    double elapsed_s = now_s - bar->start_s;
    if (advanced > 0 && elapsed_s > 0) {
        double per_s = (double)advanced / elapsed_s;
        format_rate(per_s, report->unit, rate);
        if (report->total > report->done)
            format_duration((double)(report->total - report->done) / per_s, left);
    }
    char cells[BAR_CELLS + 3] = "";
    if (bar->terminal && report->total > 0) {
        int full = (int)(report->done * BAR_CELLS / report->total);
        full = full < 0 ? 0 : full > BAR_CELLS ? BAR_CELLS : full;
        cells[0] = '[';
        memset(cells + 1, '#', (size_t)full);
        memset(cells + 1 + full, '.', (size_t)(BAR_CELLS - full));
        memcpy(cells + 1 + BAR_CELLS, "]", 2);
    }
    int length = snprintf(line, sizeof line, "%s %s%s%lld", report->what, cells, cells[0] ? " " : "",
                          (long long)report->done);
    size_t used = (size_t)length;
    if (report->total > 0 && used < sizeof line)
        used += (size_t)snprintf(line + used, sizeof line - used, "/%lld", (long long)report->total);
    if (used < sizeof line)
        snprintf(line + used, sizeof line - used, " %s%s%s%s%s%s%s", report->unit, rate[0] ? ", " : "", rate,
                 left[0] ? ", left " : "", left, report->note ? ", " : "", report->note ? report->note : "");
    fprintf(bar->stream, bar->terminal ? "\r\033[K%s" : "%s\n", line);
    fflush(bar->stream);
    bar->open = bar->terminal;
    bar->shown_s = now_s;
}

static void finish_line(sl_progress_bar *bar) {
    if (bar->open) fputc('\n', bar->stream);
    bar->open = false;
}

void sl_progress_bar_report(void *context, const sl_progress_report *report) {
    sl_progress_bar *bar = context;
    if (bar->silent) return;
    pthread_mutex_lock(&bar->lock);
    double now_s = sl_clock_s();
    bool fresh = strncmp(bar->what, report->what, sizeof bar->what - 1) != 0 || report->done < bar->done;
    if (fresh) {
        finish_line(bar);
        snprintf(bar->what, sizeof bar->what, "%s", report->what);
        bar->start_s = bar->shown_s = now_s;
        bar->start_done = report->done;
    }
    bool complete = report->total > 0 && report->done >= report->total && (fresh || bar->done < bar->total);
    bar->done = report->done;
    bar->total = report->total;
    double interval_s = bar->terminal ? terminal_interval_s : plain_interval_s;
    if (complete || (fresh && bar->terminal) || now_s - bar->shown_s >= interval_s) draw(bar, report, now_s);
    if (complete) finish_line(bar);
    pthread_mutex_unlock(&bar->lock);
}

void sl_progress_bar_end(sl_progress_bar *bar) {
    pthread_mutex_lock(&bar->lock);
    finish_line(bar);
    pthread_mutex_unlock(&bar->lock);
}
