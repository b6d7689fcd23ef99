#include "tensor/combine.h"

enum { BLOCK = 256 };

static void add_terms(const double *weight, const float *const *term, int terms, size_t at, double *sum,
                      size_t count) {
    for (int k = 0; k < terms; k++) {
        if (weight[k] == 0) continue;
        for (size_t i = 0; i < count; i++) sum[i] += weight[k] * (double)term[k][at + i];
    }
}

static void add_prediction(const sl_combination *c, const float *const *term, size_t at, double *sum,
                           size_t count) {
    double p[BLOCK] = {0}, weight = c->weight[c->terms];
    if (weight == 0) return;
    add_terms(c->prediction, term, c->terms, at, p, count);
    for (size_t i = 0; c->clip > 0 && i < count; i++)
        p[i] = p[i] < -c->clip ? -c->clip : p[i] > c->clip ? c->clip : p[i];
    for (size_t i = 0; c->rounded && i < count; i++) p[i] = (double)(float)p[i];
    for (size_t i = 0; i < count; i++) sum[i] += weight * p[i];
}

void sl_combine_arrays(const sl_combination *c, const float *const *term, float *out, size_t count) {
    for (size_t at = 0; at < count; at += BLOCK) {
        double sum[BLOCK] = {0};
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        add_terms(c->weight, term, c->terms, at, sum, n);
        add_prediction(c, term, at, sum, n);
        for (size_t i = 0; i < n; i++) out[at + i] = (float)sum[i];
    }
}
