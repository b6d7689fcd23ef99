/* What the faults share. */
#ifndef SL_XRAY_ARTEFACT_INTERNAL_H
#define SL_XRAY_ARTEFACT_INTERNAL_H

#include "xray/simulate.h"

/* A fault in progress: where it may write. */
typedef struct fault {
    sl_artefact_kind kind;
    double severity;
    sl_random random;
    sl_sim_sample *sample;
    int32_t size;   /* of the image's side */
    float *scratch; /* [size, size] */
} fault;

/* Before the measurement: on the expectation, or on how it is measured. */
void fault_shift_ring(fault *f);
void fault_stretch_ring(fault *f);
void fault_wobble_ring(fault *f);
void fault_jitter_ring(fault *f);
void fault_break_mirror(fault *f);
void fault_mirror_horizon(fault *f);
void fault_bend_horizon(fault *f);
void fault_step_up(fault *f);
void fault_grow(fault *f);
void fault_tilt(fault *f);
void fault_add_blobs(fault *f);
void fault_move_beamstop(fault *f);
void fault_dim_lobe(fault *f);
void fault_shift_behind_gap(fault *f);
void fault_tile(fault *f);
void fault_widen_ring(fault *f);
void fault_move_specular(fault *f);
void fault_swap_caption(fault *f);
void fault_turn_order(fault *f);
void fault_step_behind_gap(fault *f);
void fault_change_polarisation(fault *f);

/* After it: on the counts. */
void fault_fill_gaps(fault *f);
void fault_fill_beamstop(fault *f);
void fault_blur_noise(fault *f);
void fault_multiply_noise(fault *f);
void fault_add_grid(fault *f);
void fault_draw_object(fault *f);
void fault_clone_patch(fault *f);

/* The best visible ring, or arc where there is none; NULL: neither. Rings near the border are not taken. */
const sl_feature *fault_pick_ring(const sl_sim_sample *sample);

/* The ring that is displaced or bent: in transmission a whole one, clear of its noise and of other rings by
 * what it may be moved; at grazing incidence fault_pick_ring's. NULL: none. */
const sl_feature *fault_pick_bent_ring(const sl_sim_sample *sample);
/* Whether the ring's place at that azimuth, from +column towards +row, is on the frame and not masked. */
bool fault_is_seen(const sl_sim_sample *sample, const sl_feature *ring, double chi_rad);
/* Share of the ring's azimuths that are on the frame and not masked, and the least that a fault can be told
 * by. */
double fault_seen_share(const sl_sim_sample *sample, const sl_feature *ring);
#define FAULT_SEEN_LEAST 0.4
/* The clearest ring with room to be moved by a tenth of its radius, among at least four others that stand
 * alone; NULL: none. */
const sl_feature *fault_pick_lattice_ring(const sl_sim_sample *sample);

/* What the beamstop hides, counts. */
double fault_hidden_counts(const sl_sim_sample *sample);

/* First lines of the gaps across the frame that the picked ring crosses; returns how many, at most `most`. */
enum { FAULT_GAPS = 64 };
int fault_gaps_across(const sl_sim_sample *sample, bool turned, int32_t *out, int most);
/* The clearest visible ring or arc in the frame with no other one within `widths` of its full widths; NULL:
 * none. */
const sl_feature *fault_pick_lone_ring(const sl_sim_sample *sample, sl_feature_kind kind, double widths);
/* Full widths around a ring that becomes wider, or is turned. */
enum { FAULT_WIDE_ROOM = 6, FAULT_TURN_ROOM = 2 };

/* The clearest order of arcs that can be turned alone, and whose axis and that of another can be told from
 * more than half of its circle; NULL: none. */
const sl_feature *fault_pick_order(const sl_sim_sample *sample);

/* Whether there is a radius at which the level could step up without a ring or halo near. */
bool fault_has_smooth_radius(const sl_sim_sample *sample);

/* Whether a gap crosses the frame with an eighth of it and more on either side. */
bool fault_has_inner_gap(const sl_image *image);

/* Whether the specular spot stands clear of horizon, beamstop and gaps, with room to be moved. */
bool fault_specular_is_seen(const sl_sim_sample *sample);

/* The image as it is now, into scratch: a fault that moves its parts reads them there. */
void fault_keep(fault *f, const float *image);

/* Bilinear value, borders repeated. */
float fault_value_at(const float *image, int32_t size, double row, double column);

#endif
