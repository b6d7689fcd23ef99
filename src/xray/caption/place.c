#include "xray/caption/place.h"

#include <math.h>
#include <string.h>

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* "at the bottom left ...", "in the center ...": what stands before the next other word. */
static sl_caption_place place_from(const char *text) {
    static const struct {
        const char *word;
        int row, column; /* 1: does not say */
    } words[] = {{"top", 0, 1},    {"bottom", 2, 1}, {"left", 1, 0},  {"right", 1, 2},
                 {"center", 1, 1}, {"centre", 1, 1}, {"middle", 1, 1}};
    sl_caption_place out = {.row = 1, .column = 1};
    if (!starts(text, "at the ") && !starts(text, "in the ")) return out;
    text += strlen("at the ");
    for (bool more = true; more;) {
        more = false;
        for (size_t k = 0; k < sizeof words / sizeof words[0] && !more; k++) {
            if (!starts(text, words[k].word)) continue;
            out.in_third = more = true;
            if (words[k].row != 1) out.row = words[k].row;
            if (words[k].column != 1) out.column = words[k].column;
            text += strlen(words[k].word);
            text += *text == ' ';
        }
    }
    return out;
}

sl_caption_place sl_caption_place_of(const char *caption) {
    sl_caption_place out = {.row = 1, .column = 1};
    for (const char *at = caption; at && (at = strstr(at, "beam"));) {
        at += strlen("beam");
        if (starts(at, "stop")) at += strlen("stop");
        if (*at != ' ') continue;
        const sl_caption_place found = place_from(at + 1);
        if (found.in_third && !out.in_third)
            out.in_third = true, out.row = found.row, out.column = found.column;
        out.outside |= starts(at + 1, "outside");
    }
    return out;
}

/* How far a coordinate lies outside of its third of the frame. */
static double beyond_third(int third, double at) {
    if (third == 0) return fmax(0, at - 1 / 3.0);
    if (third == 2) return fmax(0, 2 / 3.0 - at);
    return fmax(0, fabs(at - 0.5) - 1 / 6.0);
}

bool sl_caption_place_fits(const sl_caption_place *place, double row, double column, double slack) {
    double outside = fmax(fmax(-row, row - 1), fmax(-column, column - 1));
    if (place->outside) return outside > -slack;
    return outside <= slack &&
           fmax(beyond_third(place->row, row), beyond_third(place->column, column)) <= slack;
}

double sl_caption_place_probability(const sl_caption_place *place, const sl_caption_beam *beam) {
    if (!sl_caption_place_said(place) || !(beam->probability > 0)) return NAN;
    /* elsewhere, it is in any of nine thirds */
    double p = (1 - beam->probability) / 9;
    if (sl_caption_place_fits(place, beam->row, beam->column, SL_CAPTION_PLACE_SLACK)) p += beam->probability;
    return fmin(fmax(p, 0.01), 0.99);
}
