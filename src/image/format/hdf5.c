/* HDF5 and NeXus through libhdf5: finds the image (NeXus default and signal attributes, paths that are in
 * use, else the largest array), any frame of a stack, its pixel_mask, and the geometry of an NXsas-like
 * entry.
 */
#include "image/format/format.h"

#include "image/format/hdf5_access.h"
#include "image/format/hdf5_filters.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { SMALLEST_SIDE_PX = 8, OBJECT_COUNT_MAX = 100000 };

static bool hdf5_sniff(const sl_source *source) {
    /* behind a user block the signature stands at 512, 1024, 2048, ... */
    for (size_t at = 0; at + 8 <= source->bytes && at <= (1 << 20); at = at ? at * 2 : 512)
        if (memcmp(source->data + at, "\x89HDF\r\n\x1a\n", 8) == 0) return true;
    return false;
}

/* ---- finding the image ---- */

typedef struct search {
    hid_t file;
    char best[SL_DATASET_BYTES];
    double best_px;
    int seen;
    bool found_external;
    char refused[256]; /* why the largest candidate cannot be read */
} search;

/* Whether `path` is an image by itself: two last sizes of a detector, not of a table. */
static bool is_image(search *at, const char *path, double *out_px) {
    hid_t dataset = H5Dopen2(at->file, path, H5P_DEFAULT);
    if (dataset < 0) return false;
    sl_hdf5_array array;
    sl_status status = sl_hdf5_array_describe(dataset, &array);
    H5Dclose(dataset);
    if (status == SL_UNSUPPORTED)
        snprintf(at->refused, sizeof at->refused, "%s: %s", path, sl_error_message());
    if (status) return false;
    hsize_t height = array.dim[array.rank - 2], width = array.dim[array.rank - 1];
    if (height < SMALLEST_SIDE_PX || width < SMALLEST_SIDE_PX) return false;
    *out_px = (double)array.frames * (double)height * (double)width;
    return true;
}

static bool take(search *at, const char *path) {
    double px;
    if (strlen(path) >= sizeof at->best || !is_image(at, path, &px)) return false;
    snprintf(at->best, sizeof at->best, "%s", path);
    at->best_px = px;
    return true;
}

/* An NXdata group: its signal by the attribute of the group, or by the older attribute of the dataset. */
static bool take_signal(search *at, const char *group) {
    hid_t object = H5Oopen(at->file, group, H5P_DEFAULT);
    if (object < 0) return false;
    char name[SL_DATASET_BYTES] = "", path[2 * SL_DATASET_BYTES];
    bool named = sl_hdf5_attribute_text(object, "signal", name, sizeof name);
    H5Oclose(object);
    if (!named) snprintf(name, sizeof name, "data");
    snprintf(path, sizeof path, "%s/%s", group, name);
    return take(at, path);
}

/* Follows `default` from `group` down to an NXdata, at most three steps. */
static bool take_default(search *at, const char *group) {
    char path[SL_DATASET_BYTES], name[SL_DATASET_BYTES];
    snprintf(path, sizeof path, "%s", group);
    for (int step = 0; step < 3; step++) {
        hid_t object = H5Oopen(at->file, path[0] ? path : "/", H5P_DEFAULT);
        if (object < 0) return false;
        bool more = sl_hdf5_attribute_text(object, "default", name, sizeof name);
        H5Oclose(object);
        if (!more) break;
        size_t length = strlen(path);
        if (length + strlen(name) + 2 > sizeof path) return false;
        snprintf(path + length, sizeof path - length, "%s%s", length ? "/" : "", name);
    }
    return path[0] && take_signal(at, path);
}

static herr_t visit_entry(hid_t group, const char *name, const H5L_info_t *info, void *context) {
    search *at = context;
    (void)info;
    if (++at->seen > OBJECT_COUNT_MAX) return 1;
    char class[64];
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0) return 0;
    bool entry =
        sl_hdf5_attribute_text(object, "NX_class", class, sizeof class) && strcmp(class, "NXentry") == 0;
    H5Oclose(object);
    return entry && take_default(at, name);
}

static bool take_known(search *at) {
    static const char *const paths[] = {
        "entry/data/data",
        "entry/data/data_000001",
        "entry/instrument/detector/data",
        "entry_0000/data/data",
        "entry_0000/measurement/data",
        "entry/measurement/data",
        "imageseries/images",
        "exchange/data",
        "data/data",
        "data",
        "image",
        "images",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (take(at, paths[i])) return true;
    return false;
}

static herr_t visit_object(hid_t group, const char *name, const H5O_info_t *info, void *context) {
    (void)group;
    search *at = context;
    if (++at->seen > OBJECT_COUNT_MAX) return 1;
    double px;
    if (info->type == H5O_TYPE_DATASET && strlen(name) < sizeof at->best && is_image(at, name, &px) &&
        px > at->best_px) {
        snprintf(at->best, sizeof at->best, "%s", name);
        at->best_px = px;
    }
    return 0;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *context) {
    (void)group;
    (void)name;
    search *at = context;
    at->found_external |= info->type == H5L_TYPE_EXTERNAL;
    return at->found_external || ++at->seen > OBJECT_COUNT_MAX;
}

static sl_status find_image(search *at) {
    hsize_t start = 0;
    if (take_default(at, "")) return SL_OK;
    if (H5Literate(at->file, H5_INDEX_NAME, H5_ITER_INC, &start, visit_entry, at) > 0 && at->best[0])
        return SL_OK;
    if (take_known(at)) return SL_OK;
    at->seen = 0;
    at->best_px = 0;
    H5Ovisit2(at->file, H5_INDEX_NAME, H5_ITER_INC, visit_object, at, H5O_INFO_BASIC);
    if (at->best[0]) return SL_OK;
    if (at->refused[0]) return sl_fail(SL_UNSUPPORTED, "%s", at->refused);
    at->seen = 0;
    H5Lvisit(at->file, H5_INDEX_NAME, H5_ITER_INC, visit_link, at);
    if (at->found_external)
        return sl_fail(SL_UNSUPPORTED, "no image in this file itself, only links to other files: read those");
    return sl_fail(SL_NOT_FOUND, "no numeric dataset of at least %d x %d pixels", SMALLEST_SIDE_PX,
                   SMALLEST_SIDE_PX);
}

/* The dataset asked for (a group stands for its signal), or the one found. */
static sl_status choose(hid_t file, const char *wanted, char out[SL_DATASET_BYTES]) {
    search at = {.file = file};
    if (!wanted || !wanted[0]) {
        SL_TRY(find_image(&at));
        memcpy(out, at.best, SL_DATASET_BYTES);
        return SL_OK;
    }
    while (*wanted == '/') wanted++;
    if (strlen(wanted) >= SL_DATASET_BYTES)
        return sl_fail(SL_LIMIT, "dataset path of %zu bytes", strlen(wanted));
    hid_t object = H5Oopen(file, wanted[0] ? wanted : "/", H5P_DEFAULT);
    if (object < 0) return sl_fail(SL_NOT_FOUND, "no dataset '%s' in the file", wanted);
    bool is_group = H5Iget_type(object) == H5I_GROUP;
    H5Oclose(object);
    if (is_group && !take_signal(&at, wanted))
        return sl_fail(SL_NOT_FOUND, "group '%s' has no image", wanted);
    snprintf(out, SL_DATASET_BYTES, "%s", is_group ? at.best : wanted);
    return SL_OK;
}

/* ---- geometry and texts of the entry ---- */

static double length_of(hid_t at, const char *path) {
    double number;
    char unit[64];
    if (!sl_hdf5_number(at, path, &number, unit, sizeof unit)) return NAN;
    return sl_length_m(number, unit);
}

static void first_length(hid_t at, const char *const *paths, double *out) {
    for (; *paths && !isfinite(*out); paths++) *out = length_of(at, *paths);
}

/* Pixels where the unit says so; lengths (as NXsas defines it) are divided by the pixel size. */
static double beam_of(hid_t at, const char *path, double pixel_m) {
    double number;
    char unit[64];
    if (!sl_hdf5_number(at, path, &number, unit, sizeof unit)) return NAN;
    if (strncasecmp(unit, "pix", 3) == 0) return number;
    return sl_length_m(number, unit) / pixel_m;
}

static void read_wavelength(hid_t entry, sl_frame_geometry *geometry) {
    static const char *const lengths[] = {
        "instrument/monochromator/wavelength", "instrument/beam/incident_wavelength",
        "sample/beam/incident_wavelength", "instrument/source/wavelength", NULL};
    static const char *const energies[] = {"instrument/monochromator/energy",
                                           "instrument/beam/incident_energy"};
    double number;
    char unit[64];
    first_length(entry, lengths, &geometry->wavelength_m);
    for (int i = 0; i < 2 && !isfinite(geometry->wavelength_m); i++) {
        if (!sl_hdf5_number(entry, energies[i], &number, unit, sizeof unit) || number <= 0) continue;
        if (strcasecmp(unit, "eV") == 0) geometry->wavelength_m = sl_wavelength_m_of_energy_ev(number);
        if (strcasecmp(unit, "keV") == 0) geometry->wavelength_m = sl_wavelength_m_of_energy_ev(number * 1e3);
    }
}

static void read_geometry(hid_t entry, sl_frame_geometry *geometry) {
    static const char *const distances[] = {"instrument/detector/distance",
                                            "instrument/detector/detector_distance", NULL};
    static const char *const exposures[] = {"instrument/detector/count_time", "control/preset",
                                            "instrument/detector/exposure_time"};
    double number;
    char unit[64];
    read_wavelength(entry, geometry);
    first_length(entry, distances, &geometry->distance_m);
    geometry->pixel_x_m = length_of(entry, "instrument/detector/x_pixel_size");
    geometry->pixel_y_m = length_of(entry, "instrument/detector/y_pixel_size");
    geometry->beam_x_px = beam_of(entry, "instrument/detector/beam_center_x", geometry->pixel_x_m);
    geometry->beam_y_px = beam_of(entry, "instrument/detector/beam_center_y", geometry->pixel_y_m);
    for (size_t i = 0; i < 3 && !isfinite(geometry->exposure_s); i++)
        if (sl_hdf5_number(entry, exposures[i], &number, unit, sizeof unit) && (!unit[0] || unit[0] == 's'))
            geometry->exposure_s = number;
}

static void read_texts(hid_t entry, json_t *metadata) {
    static const char *const paths[] = {"title", "definition", "start_time", "instrument/name",
                                        "instrument/detector/description"};
    char *text;
    size_t bytes;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (!sl_hdf5_dataset_text(entry, paths[i], &text, &bytes)) continue;
        sl_metadata_text(metadata, paths[i], text, bytes);
        sl_free(text);
    }
    if (sl_hdf5_dataset_text(entry, "process/note/data", &text, &bytes)) {
        sl_metadata_provenance(metadata, text, bytes);
        sl_free(text);
    }
}

static void read_entry(hid_t file, const char *dataset, sl_frame_header *out) {
    char entry_name[SL_DATASET_BYTES];
    const char *slash = strchr(dataset, '/');
    if (!slash) return;
    snprintf(entry_name, sizeof entry_name, "%.*s", (int)(slash - dataset), dataset);
    hid_t entry = H5Gopen2(file, entry_name, H5P_DEFAULT);
    if (entry < 0) return;
    read_geometry(entry, &out->geometry);
    read_texts(entry, out->metadata);
    H5Gclose(entry);
}

/* ---- the row ---- */

static sl_status open_dataset(hid_t file, const char *path, hid_t *out, sl_hdf5_array *array) {
    hid_t dataset = H5Dopen2(file, path, H5P_DEFAULT);
    if (dataset < 0) return sl_hdf5_failed("dataset cannot be opened");
    sl_status status = sl_hdf5_array_describe(dataset, array);
    if (status) {
        H5Dclose(dataset);
        return status;
    }
    *out = dataset;
    return SL_OK;
}

/* ---- the mask ---- */

static const char mask_name[] = "pixel_mask";

/* Where the mask of `dataset` may stand: beside it; for the detector's data (not an expectation, which has
 * values in gaps), also in the detector's group. False: there is no such place. */
static bool mask_place(const char *dataset, int which, char out[2 * SL_DATASET_BYTES]) {
    static const char *const detector[] = {"instrument/detector", "instrument/detector/detectorSpecific"};
    const char *base = strrchr(dataset, '/'), *end = strchr(dataset, '/');
    base = base ? base + 1 : dataset;
    if (strcmp(base, mask_name) == 0) return false;
    if (which == 0) {
        snprintf(out, 2 * SL_DATASET_BYTES, "%.*s%s", (int)(base - dataset), dataset, mask_name);
        return true;
    }
    if (which > 2 || !end || strncmp(base, "data", 4) != 0) return false;
    snprintf(out, 2 * SL_DATASET_BYTES, "%.*s/%s/%s", (int)(end - dataset), dataset, detector[which - 1],
             mask_name);
    return true;
}

static sl_status check_mask(const sl_hdf5_array *mask, const sl_frame_header *header) {
    hsize_t height = mask->dim[mask->rank - 2], width = mask->dim[mask->rank - 1];
    if (height != (hsize_t)header->height_px || width != (hsize_t)header->width_px ||
        (mask->frames != 1 && mask->frames != header->frames))
        return sl_fail(SL_MISMATCH, "%lld of %llu x %llu pixels, the image has %d x %d",
                       (long long)mask->frames, (unsigned long long)height, (unsigned long long)width,
                       header->height_px, header->width_px);
    if (mask->dtype == SL_F32 || mask->dtype == SL_F64) return sl_fail(SL_MISMATCH, "floats, expected bits");
    return SL_OK;
}

/* The open mask of the image, or -1: there is none, or none that fits, which metadata (may be NULL) then
 * says. */
static hid_t open_mask(hid_t file, const sl_frame_header *header, json_t *metadata, sl_hdf5_array *array) {
    char path[2 * SL_DATASET_BYTES], note[512];
    for (int which = 0; mask_place(header->dataset, which, path); which++) {
        hid_t mask = H5Dopen2(file, path, H5P_DEFAULT);
        if (mask < 0) continue;
        sl_status status = sl_hdf5_array_describe(mask, array);
        if (!status) status = check_mask(array, header);
        if (!status) return mask;
        H5Dclose(mask);
        snprintf(note, sizeof note, "%.200s is not used: %.200s", path, sl_error_message());
        if (metadata) sl_metadata_note(metadata, mask_name, note);
    }
    return -1;
}

/* NXdetector's bits: 0 no sensor there, 1 dead, 3 counts too much, 4 noisy; the others say little more than
 * that the pixel is not to be used. */
static uint8_t bits_of_nexus(uint32_t bits) {
    enum { GAP = 1 << 0, DEAD = 1 << 1, HOT = 1 << 3 | 1 << 4 };
    uint8_t out = 0;
    if (bits & GAP) out |= SL_MASK_GAP;
    if (bits & DEAD) out |= SL_MASK_DEAD;
    if (bits & HOT) out |= SL_MASK_HOT;
    if (bits & ~(uint32_t)(GAP | DEAD | HOT)) out |= SL_MASK_INVALID;
    return out;
}

/* Files of ours keep the bits as they are in memory. */
static bool is_ours(hid_t file, const char *dataset) {
    char path[2 * SL_DATASET_BYTES], *program;
    size_t bytes;
    const char *slash = strchr(dataset, '/');
    if (!slash) return false;
    snprintf(path, sizeof path, "%.*s/process/program", (int)(slash - dataset), dataset);
    if (!sl_hdf5_dataset_text(file, path, &program, &bytes)) return false;
    bool ours = strcmp(program, "scatterloop") == 0;
    sl_free(program);
    return ours;
}

static sl_status describe(hid_t file, const sl_frame_request *request, sl_frame_header *out) {
    SL_TRY(choose(file, request->dataset, out->dataset));
    hid_t dataset = -1;
    sl_hdf5_array array;
    SL_TRY(sl_context(open_dataset(file, out->dataset, &dataset, &array), "%s", out->dataset));
    H5Dclose(dataset);
    out->frames = array.frames;
    SL_TRY(sl_format_check_frame(request->frame, array.frames));
    out->dtype = array.dtype;
    out->height_px = (int32_t)array.dim[array.rank - 2];
    out->width_px = (int32_t)array.dim[array.rank - 1];
    read_entry(file, out->dataset, out);
    hid_t mask = open_mask(file, out, out->metadata, &array);
    out->has_mask = mask >= 0;
    if (mask >= 0) H5Dclose(mask);
    return SL_OK;
}

static sl_status hdf5_header(const sl_source *source, const sl_frame_request *request, sl_frame_header *out) {
    hid_t file;
    SL_TRY(sl_hdf5_open(source, &file));
    sl_status status = describe(file, request, out);
    H5Fclose(file);
    return status;
}

static sl_status read_frame(hid_t dataset, const sl_hdf5_array *array, int64_t frame, void *out) {
    hsize_t offset[4] = {0}, count[4] = {1, 1, 1, 1};
    uint64_t rest = (uint64_t)frame;
    for (int i = array->rank - 3; i >= 0; i--) {
        offset[i] = rest % array->dim[i];
        rest /= array->dim[i];
    }
    count[array->rank - 2] = array->dim[array->rank - 2];
    count[array->rank - 1] = array->dim[array->rank - 1];
    hid_t file_space = H5Dget_space(dataset), memory_space = H5Screate_simple(array->rank, count, NULL);
    sl_hdf5_filters_expect(array->chunk_bytes);
    bool good =
        file_space >= 0 && memory_space >= 0 &&
        H5Sselect_hyperslab(file_space, H5S_SELECT_SET, offset, NULL, count, NULL) >= 0 &&
        H5Dread(dataset, sl_hdf5_memory_type(array->dtype), memory_space, file_space, H5P_DEFAULT, out) >= 0;
    sl_status status = good ? SL_OK : sl_hdf5_failed("cannot be read");
    if (file_space >= 0) H5Sclose(file_space);
    if (memory_space >= 0) H5Sclose(memory_space);
    return status;
}

static sl_status read_mask(hid_t file, const sl_frame_header *header, uint8_t *out) {
    size_t count = (size_t)header->height_px * (size_t)header->width_px;
    sl_hdf5_array array;
    uint32_t *bits;
    hid_t mask = open_mask(file, header, NULL, &array);
    if (mask < 0) return sl_fail(SL_FORMAT, "cannot be opened again");
    array.dtype = SL_U32;
    sl_status status = sl_alloc(&bits, count, sizeof *bits);
    if (!status) status = read_frame(mask, &array, array.frames == 1 ? 0 : header->frame, bits);
    H5Dclose(mask);
    bool ours = !status && is_ours(file, header->dataset);
    for (size_t i = 0; !status && i < count; i++) out[i] = ours ? (uint8_t)bits[i] : bits_of_nexus(bits[i]);
    sl_free(bits);
    return sl_context(status, "%s", mask_name);
}

static sl_status hdf5_pixels(const sl_source *source, const sl_frame_header *header, void *out) {
    hid_t file, dataset = -1;
    sl_hdf5_array array;
    SL_TRY(sl_hdf5_open(source, &file));
    sl_status status = open_dataset(file, header->dataset, &dataset, &array);
    if (!status) {
        status = read_frame(dataset, &array, header->frame, out);
        H5Dclose(dataset);
    }
    size_t bytes = (size_t)header->height_px * (size_t)header->width_px * sl_dtype_bytes(header->dtype);
    if (!status && header->has_mask) status = read_mask(file, header, (uint8_t *)out + bytes);
    H5Fclose(file);
    return sl_context(status, "%s", header->dataset);
}

const sl_format sl_format_hdf5 = {"HDF5", hdf5_sniff, hdf5_header, hdf5_pixels};
