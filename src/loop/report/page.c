#include "loop/report/page.h"

#include "loop/judge/metrics.h"
#include "loop/picture.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { THUMBNAIL_PX = 192 };

const char sl_page_style[] =
    ":root{color-scheme:light dark;--line:#8884;--dim:#777;--real:#2c8a5f;--unreal:#b8483a}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem;margin-bottom:0}h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}"
    ".dim{color:var(--dim)}.note{border-left:4px solid #d7a940;padding:.3rem .8rem;background:#d7a94022}"
    "table{border-collapse:collapse;margin:.6rem 0;display:block;overflow-x:auto}"
    "th,td{border-bottom:1px solid var(--line);padding:.25rem .7rem;text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}small{color:var(--dim)}"
    ".sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:8px}"
    "figure{margin:0;border-top:3px solid var(--line);font-size:12px}figure img{width:100%;display:block;"
    "image-rendering:pixelated}figure.real{border-color:var(--real)}figure.unreal{border-color:var(--unreal)}"
    "figcaption{padding:2px}svg{max-width:100%;height:auto}code{font-size:12px;overflow-wrap:anywhere}";

void sl_page_escape(sl_text *page, const char *text) {
    for (; text && *text; text++) {
        switch (*text) {
        case '&':
            sl_text_add(page, "&amp;");
            break;
        case '<':
            sl_text_add(page, "&lt;");
            break;
        case '>':
            sl_text_add(page, "&gt;");
            break;
        case '"':
            sl_text_add(page, "&quot;");
            break;
        case '\'':
            sl_text_add(page, "&#39;");
            break;
        default:
            sl_text_add_bytes(page, text, 1);
        }
    }
}

void sl_page_estimate_cell(sl_text *page, const json_t *estimate, bool percent) {
    const json_t *value = json_object_get(estimate, "value"), *low = json_object_get(estimate, "low");
    double scale = percent ? 100 : 1;
    if (!json_is_number(value)) {
        sl_text_add(page, "<td class=n>–</td>");
        return;
    }
    sl_text_printf(page, "<td class=n>%.1f%s", scale * json_number_value(value), percent ? " %" : "");
    if (sl_estimate_is_count(estimate))
        sl_text_printf(page, "<br><small>all %lld judged</small>",
                       (long long)json_integer_value(json_object_get(estimate, "n")));
    else if (json_is_number(low))
        sl_text_printf(page, "<br><small>%.1f to %.1f, n %lld</small>", scale * json_number_value(low),
                       scale * json_number_value(json_object_get(estimate, "high")),
                       (long long)json_integer_value(json_object_get(estimate, "n")));
    sl_text_add(page, "</td>");
}

void sl_page_number_cell(sl_text *page, const json_t *number, int digits) {
    if (json_is_number(number))
        sl_text_printf(page, "<td class=n>%.*f</td>", digits, json_number_value(number));
    else
        sl_text_add(page, "<td class=n>–</td>");
}

sl_status sl_page_picture(sl_text *page, const sl_image *image, const char *kind, const char *caption,
                          const char *note) {
    void *png;
    size_t bytes;
    SL_TRY(sl_picture_thumbnail(image, THUMBNAIL_PX, &png, &bytes));
    size_t length = sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_ORIGINAL);
    char *text;
    sl_status status = sl_alloc(&text, length, 1);
    if (!status) {
        sodium_bin2base64(text, length, png, bytes, sodium_base64_VARIANT_ORIGINAL);
        sl_text_printf(page, "<figure class=\"%s\"><img alt=\"", kind);
        sl_page_escape(page, caption);
        sl_text_printf(page, "\" src=\"data:image/png;base64,%s\"><figcaption>", text);
        sl_page_escape(page, caption);
        if (note) {
            sl_text_add(page, "<br><small>");
            sl_page_escape(page, note);
            sl_text_add(page, "</small>");
        }
        sl_text_add(page, "</figcaption></figure>\n");
        sl_free(text);
    }
    sl_free(png);
    return status;
}

/* ---- plots ---- */

enum { WIDTH = 520, HEIGHT = 240, LEFT = 56, RIGHT = 12, TOP = 26, BOTTOM = 34 };

typedef struct frame {
    double x0, x1, y0, y1;
    bool log_y;
} frame;

static double y_place(const frame *f, double y) {
    return f->log_y ? log10(y) : y;
}

static bool usable(const frame *f, double x, double y) {
    return isfinite(x) && isfinite(y) && (!f->log_y || y > 0);
}

static frame fit_frame(const sl_page_curve *curves, int count, bool log_y) {
    frame f = {INFINITY, -INFINITY, INFINITY, -INFINITY, log_y};
    for (int c = 0; c < count; c++) {
        for (int i = 0; i < curves[c].count; i++) {
            double x = curves[c].x[i], y = curves[c].y[i];
            if (!usable(&f, x, y)) continue;
            f.x0 = fmin(f.x0, x), f.x1 = fmax(f.x1, x);
            f.y0 = fmin(f.y0, y_place(&f, y)), f.y1 = fmax(f.y1, y_place(&f, y));
        }
    }
    if (f.x1 <= f.x0) f.x1 = f.x0 + 1;
    if (f.y1 <= f.y0) f.y1 = f.y0 + 1;
    return f;
}

static double x_px(const frame *f, double x) {
    return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static double y_px(const frame *f, double place) {
    return HEIGHT - BOTTOM - (place - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static void draw_axes(sl_text *page, const frame *f, const char *title, const char *x_label) {
    sl_text_printf(page, "<svg viewBox=\"0 0 %d %d\" width=%d role=img><title>", WIDTH, HEIGHT, WIDTH);
    sl_page_escape(page, title);
    sl_text_printf(page, "</title><g font-size=11 fill=currentColor><text x=%d y=14 font-weight=600>", LEFT);
    sl_page_escape(page, title);
    sl_text_add(page, "</text>");
    for (int i = 0; i <= 4; i++) {
        double place = f->y0 + (f->y1 - f->y0) * i / 4, y = y_px(f, place),
               value = f->log_y ? pow(10, place) : place;
        sl_text_printf(
            page,
            "<line x1=%d x2=%d y1=%.1f y2=%.1f stroke=currentColor stroke-opacity=.15 /><text x=%d y=%.1f "
            "text-anchor=end>%.3g</text>",
            LEFT, WIDTH - RIGHT, y, y, LEFT - 5, y + 4, value);
    }
    sl_text_printf(page,
                   "<text x=%d y=%d>%.4g</text><text x=%d y=%d text-anchor=end>%.4g</text><text x=%d y=%d "
                   "text-anchor=middle>",
                   LEFT, HEIGHT - 16, f->x0, WIDTH - RIGHT, HEIGHT - 16, f->x1, (LEFT + WIDTH) / 2,
                   HEIGHT - 16);
    sl_page_escape(page, x_label);
    sl_text_add(page, "</text>");
}

void sl_page_plot(sl_text *page, const char *title, const char *x_label, const sl_page_curve *curves,
                  int curve_count, bool log_y) {
    static const char *const colours[] = {"#3b7dd8", "#d8703b", "#3ba272", "#9a60b4"};
    frame f = fit_frame(curves, curve_count, log_y);
    if (!isfinite(f.x0)) return;
    draw_axes(page, &f, title, x_label);
    for (int c = 0; c < curve_count; c++) {
        const char *colour = colours[c % 4];
        sl_text_printf(page, "<polyline fill=none stroke=\"%s\" stroke-width=1.5 points=\"", colour);
        for (int i = 0; i < curves[c].count; i++)
            if (usable(&f, curves[c].x[i], curves[c].y[i]))
                sl_text_printf(page, "%.1f,%.1f ", x_px(&f, curves[c].x[i]),
                               y_px(&f, y_place(&f, curves[c].y[i])));
        sl_text_printf(page, "\"/><text x=%d y=%d text-anchor=end fill=\"%s\">", WIDTH - RIGHT,
                       TOP + 12 + 14 * c, colour);
        sl_page_escape(page, curves[c].name);
        sl_text_add(page, "</text>");
    }
    sl_text_add(page, "</g></svg>\n");
}
