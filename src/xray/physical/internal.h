/* What the tests share. A test sets applicable, value and saw; the caller calibrates.
 *
 * A fault's size in pixels is given as in an image of 256 pixels, so that limits hold for every size. */
#ifndef SL_XRAY_PHYSICAL_INTERNAL_H
#define SL_XRAY_PHYSICAL_INTERNAL_H

#include "xray/physical_test.h"

enum { POLAR_SECTORS = 48, POLAR_RADII = 420, RING_TRACKS = 24 };

/* Counts around the beam; radius and azimuth by the geometry where it is known, so that a tilted detector
 * gives circles too. Sector 0 begins at azimuth -pi; azimuths turn from right to down. */
typedef struct polar_map {
    double counts[POLAR_SECTORS][POLAR_RADII], pixels[POLAR_SECTORS][POLAR_RADII]; /* sums */
    double step_px;                                                                /* image pixels a bin */
} polar_map;

/* A ridge followed around the beam: its radius in each sector in bins of the polar map, 0 where it is not
 * seen. */
typedef struct ring_track {
    double radius[POLAR_SECTORS], snr[POLAR_SECTORS];
    double error[POLAR_SECTORS]; /* of the radius, from counting noise: broad ridges have no sharp place */
    int seen;                    /* sectors */
} ring_track;

/* An image as the tests look at it. */
typedef struct physical_view {
    const sl_physical_input *input;
    const sl_image *image;               /* the input's, or `opened` */
    sl_physical_blind *blind, own_blind; /* the input's, or own_blind */
    sl_image opened;                     /* what a round aperture shades is masked; empty without one */
    bool is_grazing;
    bool centre_known; /* the input's beam or geometry, not an estimate */
    double row_px, column_px;
    sl_projection projection; /* where input->geometry */
    double unit_px;           /* image pixels that count as one */
    polar_map polar;          /* empty at grazing incidence, and without a beam */
    int track_count;
    ring_track track[RING_TRACKS]; /* the strongest first */
} physical_view;

/* Fills *view, which may be uninitialised; it borrows input. physical_view_free at the end, after errors too.
 */
sl_status physical_view_prepare(const sl_physical_input *input, physical_view *view);
void physical_view_free(physical_view *view);

/* What is found blind, at the first call; *out is NULL for an image that shows nothing. `image` is the whole
 * one. */
sl_status physical_blind_look(sl_physical_blind *blind, const sl_image *image, const sl_blind_look **out);
/* Evidence for the words of a caption, in blind->evidence. */
sl_status physical_blind_evidence(sl_physical_blind *blind, const sl_image *image);

/* Radius in image pixels and azimuth of the pixel position (row, column) about the view's centre. */
void physical_polar(const physical_view *view, double row, double column, double *radius_px,
                    double *azimuth_rad);
/* The position on the image of a radius and azimuth; false where the ray misses the detector's plane. */
bool physical_position(const physical_view *view, double radius_px, double azimuth_rad, double *row,
                       double *column);

/* Fills the polar map about the view's centre. */
void polar_map_fill(const physical_view *view, polar_map *out);
/* Mean counts at a radius over sectors first .. first + count - 1 (they wrap), and how many pixels they come
 * from; NaN without pixels. */
double polar_map_mean(const polar_map *map, int first, int count, int radius, double *pixels);
/* Follows ridges through the polar map; returns how many there are, the strongest first. */
int ring_tracks_find(const polar_map *map, ring_track out[RING_TRACKS]);
double ring_track_radius(const ring_track *track); /* median, bins */
/* 1 for a ridge that is equally clear all along, less for grains and the arcs of a texture. */
double ring_track_evenness(const ring_track *track);
/* The mean of it, the clearer ones weighing more. Below rings_even, arcs of a fibre that are of several
 * reflections join to something like bent rings, and nobody can say what is wrong with one. */
double ring_tracks_evenness(const ring_track *tracks, int count);
static const double rings_even = 0.6;

/* Adds to the input's drawing, if there is one. */
void physical_mark(const physical_view *view, sl_mark mark);
/* Draws what a track followed, sector by sector. */
void physical_mark_track(const physical_view *view, sl_physical_test test, const ring_track *track,
                         bool is_odd);

double physical_median(double *values, int count); /* sorts them; count > 0 */

#define SL_PHYSICAL(name, function, id, artefacts, judges, unit, words)                                      \
    sl_status physical_##function(const physical_view *view, sl_physical_result *out);
#include "xray/physical_test.def"
#undef SL_PHYSICAL

#endif
