#include "loop/judge/logistic.h"

#include <math.h>
#include <string.h>

enum { WIDTH = SL_LOGISTIC_WIDTH_MAX };

double sl_logistic(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

typedef struct problem {
    const double *x;
    const bool *label;
    int64_t n;
    int width;
    double target[2]; /* of unreal and real */
} problem;

static double margin(const problem *in, int64_t i, const double *weight) {
    double sum = 0;
    for (int k = 0; k < in->width; k++) sum += weight[k] * in->x[i * in->width + k];
    return sum;
}

/* Cross entropy, written so that large numbers do not overflow. */
static double loss(const problem *in, const double *weight) {
    double sum = 0;
    for (int64_t i = 0; i < in->n; i++) {
        double m = margin(in, i, weight);
        sum += fmax(m, 0) - in->target[in->label[i]] * m + log1p(exp(-fabs(m)));
    }
    return sum;
}

/* Gaussian elimination; h is positive definite, so no rows need to be exchanged. */
static void solve(int width, double h[WIDTH][WIDTH], double *g) {
    for (int k = 0; k < width; k++)
        for (int r = k + 1; r < width; r++) {
            double part = h[r][k] / h[k][k];
            for (int c = k; c < width; c++) h[r][c] -= part * h[k][c];
            g[r] -= part * g[k];
        }
    for (int k = width - 1; k >= 0; k--) {
        for (int c = k + 1; c < width; c++) g[k] -= h[k][c] * g[c];
        g[k] /= h[k][k];
    }
}

/* Newton's step on a convex function, with a little weight on the diagonal. */
static void newton_step(const problem *in, const double *weight, double *step) {
    double h[WIDTH][WIDTH] = {{0}};
    memset(step, 0, WIDTH * sizeof *step);
    for (int k = 0; k < in->width; k++) h[k][k] = 1e-12;
    for (int64_t i = 0; i < in->n; i++) {
        const double *x = in->x + i * in->width;
        double p = sl_logistic(margin(in, i, weight)), residual = p - in->target[in->label[i]];
        for (int r = 0; r < in->width; r++) {
            step[r] -= residual * x[r];
            for (int c = 0; c < in->width; c++) h[r][c] += p * (1 - p) * x[r] * x[c];
        }
    }
    solve(in->width, h, step);
}

/* Newton with halved steps until the loss falls. */
static void minimise(const problem *in, double *weight) {
    double current = loss(in, weight);
    for (int iteration = 0; iteration < 200; iteration++) {
        double step[WIDTH], next[WIDTH] = {0}, next_loss = current;
        newton_step(in, weight, step);
        for (double part = 1; part > 1e-10; part *= 0.5) {
            for (int k = 0; k < in->width; k++) next[k] = weight[k] + part * step[k];
            next_loss = loss(in, next);
            if (next_loss < current) break;
        }
        if (!(next_loss < current - 1e-12 * (1 + fabs(current)))) break;
        memcpy(weight, next, (size_t)in->width * sizeof *weight);
        current = next_loss;
    }
}

sl_status sl_logistic_fit(const double *x, int width, const bool *label, int64_t n, double *weight) {
    int64_t real = 0;
    if (width < 1 || width > WIDTH) return sl_fail(SL_LIMIT, "%d columns, expected 1 to %d", width, WIDTH);
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < width; k++)
            if (!isfinite(x[i * width + k]))
                return sl_fail(SL_NUMERIC, "score %lld is not finite", (long long)i);
        real += label[i];
    }
    if (real == 0 || real == n)
        return sl_fail(SL_INVALID, "calibration needs both labels: %lld real of %lld", (long long)real,
                       (long long)n);
    double reals = (double)real, unreals = (double)(n - real);
    problem in = {x, label, n, width, {1 / (unreals + 2), (reals + 1) / (reals + 2)}};
    minimise(&in, weight);
    return SL_OK;
}
