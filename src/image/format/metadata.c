#include "image/format/format.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_COUNT_MAX = 1000, TEXT_BYTES_MAX = 16 * 1024, PROVENANCE_BYTES_MAX = 512 * 1024 };

static json_t *latin1_string(const char *value, size_t bytes) {
    char *text = malloc(2 * bytes + 1);
    if (!text) return NULL;
    size_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c < 0x80) {
            text[length++] = (char)c;
        } else {
            text[length++] = (char)(0xc0 | c >> 6);
            text[length++] = (char)(0x80 | (c & 0x3f));
        }
    }
    json_t *string = json_stringn(text, length);
    free(text);
    return string;
}

static json_t *any_string(const char *value, size_t bytes) {
    const char *end = memchr(value, '\0', bytes);
    if (end) bytes = (size_t)(end - value);
    json_t *string = json_stringn(value, bytes);
    return string ? string : latin1_string(value, bytes);
}

void sl_metadata_text(json_t *metadata, const char *key, const char *value, size_t bytes) {
    if (!metadata || bytes > TEXT_BYTES_MAX) return;
    json_t *texts = json_object_get(metadata, "text");
    if (!texts) {
        texts = json_object();
        json_object_set_new(metadata, "text", texts);
    }
    if (json_object_size(texts) >= KEY_COUNT_MAX) return;
    json_t *clean_key = any_string(key, strlen(key));
    json_t *string = any_string(value, bytes);
    if (clean_key && string) json_object_set(texts, json_string_value(clean_key), string);
    json_decref(clean_key);
    json_decref(string);
}

void sl_metadata_provenance(json_t *metadata, const char *text, size_t bytes) {
    if (!metadata || bytes > PROVENANCE_BYTES_MAX) return;
    json_error_t error;
    json_t *value = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(value)) json_object_set(metadata, "provenance", value);
    json_decref(value);
}

void sl_metadata_note(json_t *metadata, const char *key, const char *value) {
    if (metadata) json_object_set_new(metadata, key, any_string(value, strlen(value)));
}

bool sl_parse_number(const char *text, double *out) {
    while (isspace((unsigned char)*text)) text++;
    if (!isdigit((unsigned char)*text) && !strchr("+-.", *text)) return false;
    char *end;
    double number = strtod(text, &end);
    if (end == text || !isfinite(number)) return false;
    *out = number;
    return true;
}

double sl_length_m(double number, const char *unit) {
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"m", 1},     {"meter", 1},        {"metre", 1},         {"mm", 1e-3},         {"millimeter", 1e-3},
        {"cm", 1e-2}, {"um", 1e-6},        {"micron", 1e-6},     {"micrometer", 1e-6}, {"nm", 1e-9},
        {"A", 1e-10}, {"angstrom", 1e-10}, {"angstroms", 1e-10}, {"Ang", 1e-10},       {"pm", 1e-12},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcasecmp(unit, units[i].name) == 0) return number * units[i].factor;
    return NAN;
}

double sl_wavelength_m_of_energy_ev(double energy_ev) {
    return 1.23984198433e-6 / energy_ev; /* hc in eV m, exact in the SI of 2019 */
}

/* The word of at most capacity-1 letters that starts at `text`. */
static void unit_word(const char *text, char *out, size_t capacity) {
    size_t length = 0;
    while (isspace((unsigned char)*text)) text++;
    while (isalpha((unsigned char)text[length]) && length + 1 < capacity) {
        out[length] = text[length];
        length++;
    }
    out[length] = '\0';
}

/* "2.9097 m": a length, into *out if it can be read. Returns the text behind it. */
static const char *length_at(const char *text, double *out) {
    double number;
    if (!sl_parse_number(text, &number)) return text;
    char *end, unit[16];
    strtod(text, &end);
    unit_word(end, unit, sizeof unit);
    double length_m = sl_length_m(number, unit);
    if (isfinite(length_m) && length_m != 0) *out = length_m;
    return end;
}

static const char *value_of(const char *line, const char *key) {
    size_t length = strlen(key);
    if (strncasecmp(line, key, length) != 0) return NULL;
    line += length;
    while (*line == ' ' || *line == '\t' || *line == ':' || *line == '=') line++;
    return line;
}

static void read_comment(const char *line, sl_frame_geometry *geometry) {
    const char *value;
    if ((value = value_of(line, "Pixel_size"))) {
        const char *second = length_at(value, &geometry->pixel_x_m);
        second = strchr(second, 'x');
        if (second) length_at(second + 1, &geometry->pixel_y_m);
    } else if ((value = value_of(line, "Detector_distance"))) {
        length_at(value, &geometry->distance_m);
    } else if ((value = value_of(line, "Wavelength"))) {
        length_at(value, &geometry->wavelength_m);
    } else if ((value = value_of(line, "Exposure_time"))) {
        sl_parse_number(value, &geometry->exposure_s);
    } else if ((value = value_of(line, "Beam_xy")) && *value == '(') {
        double x, y;
        const char *comma = strchr(value, ',');
        if (comma && sl_parse_number(value + 1, &x) && sl_parse_number(comma + 1, &y)) {
            geometry->beam_x_px = x;
            geometry->beam_y_px = y;
        }
    }
}

void sl_geometry_from_comments(const char *text, sl_frame_geometry *geometry) {
    char line[256];
    while (*text) {
        size_t length = strcspn(text, "\r\n");
        const char *start = text;
        size_t kept = length;
        while (kept && (*start == '#' || *start == ' ' || *start == '\t')) start++, kept--;
        if (kept >= sizeof line) kept = sizeof line - 1;
        memcpy(line, start, kept);
        line[kept] = '\0';
        read_comment(line, geometry);
        text += length;
        text += strspn(text, "\r\n");
    }
}
