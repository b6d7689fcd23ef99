/* Named parameters: what a model owns besides its configuration.
 *
 * A store keeps parameters in the order in which they were declared. Declaring fixes name, shape and the rule
 * for first values; memory is taken by sl_params_allocate, so that a model can be described, counted and
 * checked against a file without holding it; values that have a source may stay there. Shapes are those of
 * the public checkpoints: linear [out, in], convolution [out, in, kh, kw]. */
#ifndef SL_NN_PARAM_H
#define SL_NN_PARAM_H

#include "tensor/tensor.h"

/* First values. With fan_in = product of all sizes but the first, the rules of the libraries that trained the
 * public checkpoints are sl_init_* below. */
typedef enum sl_init_kind { SL_INIT_ZEROS, SL_INIT_ONES, SL_INIT_NORMAL, SL_INIT_UNIFORM } sl_init_kind;
typedef struct sl_init {
    sl_init_kind kind;
    double scale; /* standard deviation of the normal, bound of the uniform */
} sl_init;

#define SL_INIT_RULE_ZEROS ((sl_init){SL_INIT_ZEROS, 0.0})
#define SL_INIT_RULE_ONES  ((sl_init){SL_INIT_ONES, 0.0})
sl_init sl_init_normal(double std);
sl_init sl_init_fan_in(
    int64_t fan_in); /* uniform within 1/sqrt(fan_in): PyTorch's default for linear and convolution */
sl_init sl_init_kaiming_fan_out(int64_t fan_out);        /* normal, std sqrt(2/fan_out): residual networks */
sl_init sl_init_xavier(int64_t fan_in, int64_t fan_out); /* uniform within sqrt(6/(fan_in + fan_out)) */

typedef struct sl_param {
    const char *name;
    int index;      /* place in the store */
    bool trainable; /* the optimiser moves it; set for all but buffers when declared */
    bool buffer;    /* running statistics: stored with the weights, never trained */
    sl_init init;
    sl_tensor value;    /* data NULL until held; F32 unless allocated otherwise */
    sl_tensor gradient; /* data NULL until sl_params_allocate_gradients; always F32 */
    void *user;         /* free for the owner of the store (packed weights, optimiser state) */
    const struct sl_param_source *source; /* the store's; NULL: none */
} sl_param;

typedef struct sl_params sl_params;

/* Where values are as long as nobody holds them: a file, or a rule. */
typedef struct sl_param_source {
    /* Writes all values of the parameter, in the dtype and shape of param->value, to `target`. */
    sl_status (*read)(void *context, const sl_param *param, void *target);
    /* Whether all values are ones of F16; NULL: nobody knows. */
    bool (*is_half)(void *context, const sl_param *param);
    void (*release)(void *context); /* NULL: nothing to do */
    void *context;
} sl_param_source;

sl_status sl_params_new(sl_params **out);
void sl_params_free(sl_params *params); /* NULL is fine */

/* The parameter of that name: declared now, or long ago with the same shape; SL_MISMATCH names both shapes
 * where they differ. Pointers stay valid as long as the store. */
sl_status sl_params_declare(sl_params *params, const char *name, const sl_shape *shape, sl_init init,
                            bool buffer, sl_param **out);

sl_param *sl_params_find(const sl_params *params, const char *name); /* NULL when there is none */
int sl_params_count(const sl_params *params);
/* In the order in which they were declared; 0 <= index < count. */
sl_param *sl_params_at(const sl_params *params, int index);

/* Number of values in all parameters (without buffers), or in those that train. */
int64_t sl_params_values(const sl_params *params, bool trainable_only);
size_t sl_params_bytes(const sl_params *params); /* memory of values and gradients held now */

/* Gives the store a source in place of the one it had (NULL: none), and its context with it: release() is
 * called when another comes or the store goes. What is held stays as it is. */
void sl_params_set_source(sl_params *params, const sl_param_source *source);

/* Memory for the value where it is not held yet, with what the source has, zeroed without one. */
sl_status sl_param_hold(sl_param *param);
sl_status sl_params_allocate(sl_params *params); /* of all */
/* Of all that train, and of those without a source: what is frozen may stay there. */
sl_status sl_params_allocate_trained(sl_params *params);
sl_status
sl_params_allocate_gradients(sl_params *params); /* of those that train; frees those of the others */
void sl_params_zero_gradients(sl_params *params);

/* First values by rule. Each parameter draws from its own stream, named by (seed, name): the same values for
 * any order of declaration and any number of threads. Allocates what is not held yet. */
sl_status sl_params_initialise(sl_params *params, uint64_t seed);

/* The same values, rounded to `stored` (F32, F16, BF16) and drawn when they are read: the store gets them as
 * its source. */
sl_status sl_params_initialise_on_demand(sl_params *params, uint64_t seed, sl_dtype stored);

/* One parameter by its rule; for new heads and adapters. */
sl_status sl_param_initialise(sl_param *param, uint64_t seed);

/* Freeze all, then let those train whose names begin with one of the prefixes (ended by NULL; "" means all).
 * Buffers never train. SL_NOT_FOUND when a prefix names nothing. */
sl_status sl_params_train_only(sl_params *params, const char *const *prefixes);

/* SL_NUMERIC, naming the parameter and the first bad index, when a value (or gradient, where held) is not
 * finite. */
sl_status sl_params_check_finite(const sl_params *params);

/* share * params + (1 - share) * other of the same values, for two stores of one architecture in F32: means
 * of the weights that trainings end with often do better than any of them (Izmailov et al. 2018, Wortsman et
 * al. 2022). */
void sl_params_mix(sl_params *params, const sl_params *other, double share);

#endif
