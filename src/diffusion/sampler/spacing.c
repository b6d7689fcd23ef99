#include "diffusion/sampler/internal.h"

#include <math.h>

/* From 0 to `last` in `count` values, in descending order. */
static void linspace_down(double last, int count, double *out) {
    double step = count > 1 ? last / (count - 1) : 0;
    for (int i = 0; i < count; i++) out[count - 1 - i] = i == count - 1 && count > 1 ? last : i * step;
}

void sl_spacing_timesteps(const sl_sampler_settings *settings, int steps, bool fractional, double *out) {
    int64_t total = settings->schedule.train_steps;
    switch (settings->spacing) {
    case SL_SPACING_LINSPACE:
        linspace_down((double)(total - 1), steps, out);
        for (int i = 0; i < steps; i++) out[i] = fractional ? (double)(float)out[i] : nearbyint(out[i]);
        break;
    case SL_SPACING_TRAILING: /* counted, where NumPy's arange may give one more, of timestep -1, by rounding
                               */
        for (int i = 0; i < steps; i++) out[i] = nearbyint((double)total - i * ((double)total / steps)) - 1;
        break;
    default:
        for (int i = 0; i < steps; i++)
            out[i] = (double)((steps - 1 - i) * (total / steps) + settings->steps_offset);
    }
}

double sl_sigma_at(const sl_noise_schedule *schedule, double timestep) {
    int low = (int)timestep, last = schedule->train_steps - 1;
    if (timestep <= 0) return (double)sl_noise_schedule_sigma(schedule, 0);
    if (low >= last) return (double)sl_noise_schedule_sigma(schedule, last);
    double a = (double)sl_noise_schedule_sigma(schedule, low),
           b = (double)sl_noise_schedule_sigma(schedule, low + 1);
    return a + (b - a) * (timestep - low);
}

static double log_sigma_at(const sl_noise_schedule *schedule, int t) {
    return (double)logf(sl_noise_schedule_sigma(schedule, t));
}

double sl_sigma_timestep(const sl_noise_schedule *schedule, double sigma) {
    double wanted = log(sigma > 1e-10 ? sigma : 1e-10);
    if (schedule->train_steps < 2) return 0;
    int low = schedule->train_steps - 2;
    while (low > 0 && log_sigma_at(schedule, low) > wanted) low--;
    double a = log_sigma_at(schedule, low), b = log_sigma_at(schedule, low + 1),
           share = (a - wanted) / (a - b);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return (1 - share) * low + share * (low + 1);
}

void sl_karras_sigmas(double high, double low, int count, double *out) {
    const double rho = 7;
    double first = pow(high, 1 / rho), last = pow(low, 1 / rho);
    for (int i = 0; i < count; i++) {
        double ramp = count > 1 ? (double)i / (count - 1) : 0;
        out[i] = pow(first + ramp * (last - first), rho);
    }
}
