/* The image in polar coordinates about the beam. */
#include "xray/physical/internal.h"

#include <math.h>
#include <string.h>

void physical_polar(const physical_view *view, double row, double column, double *radius_px,
                    double *azimuth_rad) {
    if (!view->input->geometry) {
        double y = row - view->row_px, x = column - view->column_px;
        *radius_px = sqrt(x * x + y * y);
        *azimuth_rad = atan2(y, x);
        return;
    }
    const sl_projection *p = &view->projection;
    sl_pixel pixel = sl_projection_pixel(p, row, column);
    double across = sqrt(pixel.y * pixel.y + pixel.z * pixel.z);
    *radius_px = pixel.x > 0.05 ? across / pixel.x * p->geometry.distance_m / p->geometry.pixel_m : 1e9;
    *azimuth_rad = atan2(-pixel.z, pixel.y);
}

bool physical_position(const physical_view *view, double radius_px, double azimuth_rad, double *row,
                       double *column) {
    double right = radius_px * cos(azimuth_rad), down = radius_px * sin(azimuth_rad);
    if (!view->input->geometry) {
        *row = view->row_px + down;
        *column = view->column_px + right;
        return true;
    }
    const sl_geometry *g = &view->projection.geometry;
    return sl_projection_hit(&view->projection, g->distance_m, right * g->pixel_m, -down * g->pixel_m, row,
                             column);
}

void polar_map_fill(const physical_view *view, polar_map *out) {
    const sl_image *image = view->image;
    memset(out, 0, sizeof *out);
    out->step_px = fmax(1, view->unit_px);
    for (int32_t i = 0; i < image->height_px; i++)
        for (int32_t j = 0; j < image->width_px; j++) {
            int64_t k = (int64_t)i * image->width_px + j;
            if (image->mask[k]) continue;
            double radius, azimuth;
            physical_polar(view, i + 0.5, j + 0.5, &radius, &azimuth);
            int bin = (int)fmin(radius / out->step_px, POLAR_RADII);
            int sector = (int)((azimuth + M_PI) * (POLAR_SECTORS / (2 * M_PI)));
            if (bin >= POLAR_RADII) continue;
            sector = sector < 0 ? 0 : sector >= POLAR_SECTORS ? POLAR_SECTORS - 1 : sector;
            out->counts[sector][bin] += (double)image->value[k];
            out->pixels[sector][bin]++;
        }
}

double polar_map_mean(const polar_map *map, int first, int count, int radius, double *pixels) {
    double sum = 0;
    *pixels = 0;
    for (int d = 0; d < count; d++) {
        int s = ((first + d) % POLAR_SECTORS + POLAR_SECTORS) % POLAR_SECTORS;
        sum += map->counts[s][radius];
        *pixels += map->pixels[s][radius];
    }
    return *pixels > 0 ? sum / *pixels : NAN;
}
