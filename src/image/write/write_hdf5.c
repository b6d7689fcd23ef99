/* HDF5 in the manner of NXsas: entry/instrument/detector/data, shown by entry/data; geometry where it is
 * known; entry/process (NXprocess) with a note (NXnote) that holds the provenance; entry/truth (NXcollection)
 * with what is known of a simulated image, its expectation an auxiliary signal of entry/data; attribute
 * synthetic on the file, the entry and the data. Made in memory. */
#include "image/write/write_internal.h"

#include "image/hdf5_lock.h"

#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFLATE_LEVEL = 4, CHUNK_SIDE_PX = 512 };

/* Sticky: after a failed step the others do nothing. */
typedef struct h5_writer {
    hid_t file;
    bool failed;
} h5_writer;

static hid_t checked(h5_writer *w, hid_t id) {
    if (id < 0) w->failed = true;
    return id;
}

static void step(h5_writer *w, herr_t result) {
    if (result < 0) w->failed = true;
}

/* Without times, so that equal images give equal files. */
static hid_t creation_list(void) {
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(list, 0);
    return list;
}

static hid_t text_type(const char *text) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(text) + 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static void attribute_text(h5_writer *w, hid_t object, const char *name, const char *text) {
    if (w->failed) return;
    hid_t type = text_type(text), space = H5Screate(H5S_SCALAR);
    hid_t attribute = checked(w, H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    if (!w->failed) step(w, H5Awrite(attribute, type, text));
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

/* A boolean as h5py writes it: an enumeration of FALSE and TRUE over 8 bits. */
static void attribute_true(h5_writer *w, hid_t object, const char *name) {
    if (w->failed) return;
    int8_t no = 0, yes = 1;
    hid_t type = H5Tenum_create(H5T_NATIVE_INT8), space = H5Screate(H5S_SCALAR);
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    hid_t attribute = checked(w, H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT));
    if (!w->failed) step(w, H5Awrite(attribute, type, &yes));
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static hid_t group(h5_writer *w, hid_t parent, const char *name, const char *class) {
    if (w->failed) return -1;
    hid_t made = checked(w, H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    if (made >= 0) attribute_text(w, made, "NX_class", class);
    return made;
}

static void close_group(hid_t id) {
    if (id >= 0) H5Gclose(id);
}

static void dataset_text(h5_writer *w, hid_t parent, const char *name, const char *text) {
    if (w->failed) return;
    hid_t type = text_type(text), space = H5Screate(H5S_SCALAR), list = creation_list();
    hid_t dataset = checked(w, H5Dcreate2(parent, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT));
    if (!w->failed) step(w, H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text));
    if (dataset >= 0) H5Dclose(dataset);
    H5Pclose(list);
    H5Sclose(space);
    H5Tclose(type);
}

/* Not written when it is not known. */
static void dataset_number(h5_writer *w, hid_t parent, const char *name, double number, const char *unit) {
    if (w->failed || !isfinite(number)) return;
    hid_t space = H5Screate(H5S_SCALAR), list = creation_list();
    hid_t dataset =
        checked(w, H5Dcreate2(parent, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    if (!w->failed) step(w, H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &number));
    if (!w->failed) attribute_text(w, dataset, "units", unit);
    if (dataset >= 0) H5Dclose(dataset);
    H5Pclose(list);
    H5Sclose(space);
}

/* [height, width], shuffled and deflated in chunks. Returns the open dataset. */
static hid_t dataset_plane(h5_writer *w, hid_t parent, const char *name, const sl_image *image,
                           hid_t file_type, hid_t memory_type, const void *data) {
    if (w->failed) return -1;
    hsize_t size[2] = {(hsize_t)image->height_px, (hsize_t)image->width_px}, chunk[2];
    for (int i = 0; i < 2; i++) chunk[i] = size[i] < CHUNK_SIDE_PX ? size[i] : CHUNK_SIDE_PX;
    hid_t space = H5Screate_simple(2, size, NULL), list = creation_list();
    H5Pset_chunk(list, 2, chunk);
    H5Pset_shuffle(list);
    H5Pset_deflate(list, DEFLATE_LEVEL);
    hid_t dataset = checked(w, H5Dcreate2(parent, name, file_type, space, H5P_DEFAULT, list, H5P_DEFAULT));
    if (!w->failed) step(w, H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
    H5Pclose(list);
    H5Sclose(space);
    return dataset;
}

static void write_detector(h5_writer *w, hid_t instrument, const sl_image *image, const float *counts,
                           const sl_write_info *info) {
    hid_t detector = group(w, instrument, "detector", "NXdetector");
    hid_t data = dataset_plane(w, detector, "data", image, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, counts);
    if (!w->failed) {
        attribute_text(w, data, "units", "counts");
        if (info->synthetic) attribute_true(w, data, "synthetic");
    }
    if (data >= 0) H5Dclose(data);
    hid_t mask =
        dataset_plane(w, detector, "pixel_mask", image, H5T_STD_U32LE, H5T_NATIVE_UINT8, image->mask);
    if (mask >= 0) H5Dclose(mask);
    const sl_frame_geometry *g = info->geometry;
    if (g) {
        dataset_number(w, detector, "distance", g->distance_m, "m");
        dataset_number(w, detector, "x_pixel_size", g->pixel_x_m, "m");
        dataset_number(w, detector, "y_pixel_size", g->pixel_y_m, "m");
        dataset_number(w, detector, "beam_center_x", g->beam_x_px * g->pixel_x_m, "m");
        dataset_number(w, detector, "beam_center_y", g->beam_y_px * g->pixel_y_m, "m");
        dataset_number(w, detector, "count_time", g->exposure_s, "s");
    }
    close_group(detector);
}

static void write_instrument(h5_writer *w, hid_t entry, const sl_image *image, const float *counts,
                             const sl_write_info *info) {
    hid_t instrument = group(w, entry, "instrument", "NXinstrument");
    write_detector(w, instrument, image, counts, info);
    hid_t source = group(w, instrument, "source", "NXsource");
    dataset_text(w, source, "probe", "x-ray");
    if (info->synthetic) dataset_text(w, source, "type", "simulated: no X-rays were measured");
    close_group(source);
    hid_t monochromator = group(w, instrument, "monochromator", "NXmonochromator");
    if (info->geometry) dataset_number(w, monochromator, "wavelength", info->geometry->wavelength_m, "m");
    close_group(monochromator);
    close_group(instrument);
}

static void write_process(h5_writer *w, hid_t entry, const char *provenance) {
    hid_t process = group(w, entry, "process", "NXprocess");
    dataset_text(w, process, "program", "scatterloop");
    dataset_text(w, process, "version", SL_VERSION);
    if (provenance) {
        hid_t note = group(w, process, "note", "NXnote");
        dataset_text(w, note, "type", "application/json");
        dataset_text(w, note, "data", provenance);
        close_group(note);
    }
    close_group(process);
}

/* One plane of 0 and 1 for every reason that masks a pixel here. */
static void write_masks(h5_writer *w, hid_t truth, const sl_image *image) {
    static const char *const names[8] = {"invalid", "gap",  "beamstop", "arm",
                                         "hot",     "dead", "horizon",  "saturated"};
    size_t pixels = (size_t)image->height_px * (size_t)image->width_px;
    uint8_t *plane;
    if (sl_alloc(&plane, pixels, 1)) w->failed = true;
    hid_t masks = group(w, truth, "masks", "NXcollection");
    for (int bit = 0; bit < 8 && !w->failed; bit++) {
        bool any = false;
        for (size_t i = 0; i < pixels; i++) any |= plane[i] = image->mask[i] >> bit & 1;
        if (!any) continue;
        hid_t made = dataset_plane(w, masks, names[bit], image, H5T_STD_U8LE, H5T_NATIVE_UINT8, plane);
        if (made >= 0) H5Dclose(made);
    }
    close_group(masks);
    sl_free(plane);
}

static void write_truth(h5_writer *w, hid_t entry, const sl_image *image, const sl_write_truth *known) {
    hid_t truth = group(w, entry, "truth", "NXcollection");
    hid_t mean =
        dataset_plane(w, truth, "expectation", image, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, known->expectation);
    if (!w->failed) attribute_text(w, mean, "units", "counts");
    if (mean >= 0) H5Dclose(mean);
    write_masks(w, truth, image);
    dataset_text(w, truth, "json", known->json);
    dataset_text(w, truth, "poni", known->poni);
    close_group(truth);
}

static void write_entry(h5_writer *w, const sl_image *image, const float *counts, const sl_write_info *info,
                        const char *provenance) {
    attribute_text(w, w->file, "default", "entry");
    hid_t entry = group(w, w->file, "entry", "NXentry");
    if (!w->failed) {
        attribute_text(w, entry, "default", "data");
        if (info->synthetic) {
            attribute_true(w, w->file, "synthetic");
            attribute_true(w, entry, "synthetic");
        }
    }
    dataset_text(w, entry, "definition", "NXsas");
    dataset_text(w, entry, "title", info->title ? info->title : "");
    write_instrument(w, entry, image, counts, info);
    hid_t data = group(w, entry, "data", "NXdata");
    if (!w->failed) {
        attribute_text(w, data, "signal", "data");
        step(w, H5Lcreate_hard(entry, "instrument/detector/data", data, "data", H5P_DEFAULT, H5P_DEFAULT));
    }
    if (info->truth) write_truth(w, entry, image, info->truth);
    if (info->truth && !w->failed) {
        attribute_text(w, data, "auxiliary_signals", "expectation");
        step(w, H5Lcreate_hard(entry, "truth/expectation", data, "expectation", H5P_DEFAULT, H5P_DEFAULT));
    }
    close_group(data);
    write_process(w, entry, provenance);
    close_group(entry);
}

static sl_status make_file(const sl_image *image, const float *counts, const sl_write_info *info,
                           const char *provenance, void **out, size_t *out_bytes) {
    h5_writer w = {0};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fapl_core(access, 1 << 20, 0); /* in memory only */
    H5Pset_obj_track_times(creation, 0);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    w.file = checked(&w, H5Fcreate("image", H5F_ACC_TRUNC, creation, access));
    if (!w.failed) write_entry(&w, image, counts, info, provenance);
    if (!w.failed) step(&w, H5Fflush(w.file, H5F_SCOPE_GLOBAL));
    void *bytes = NULL;
    ssize_t size = w.failed ? -1 : H5Fget_file_image(w.file, NULL, 0);
    sl_status status = size < 0 ? sl_fail(SL_INTERNAL, "the HDF5 library refused to write") : SL_OK;
    if (!status) status = sl_alloc(&bytes, (size_t)size, 1);
    if (!status && H5Fget_file_image(w.file, bytes, (size_t)size) != size)
        status = sl_fail(SL_INTERNAL, "the HDF5 library refused its file image");
    if (w.file >= 0) H5Fclose(w.file);
    H5Pclose(access);
    H5Pclose(creation);
    if (status) {
        sl_free(bytes);
        return status;
    }
    *out = bytes;
    *out_bytes = (size_t)size;
    return SL_OK;
}

sl_status sl_encode_hdf5(const sl_image *image, const float *counts, const sl_write_info *info,
                         sl_text *out) {
    char *provenance;
    void *bytes = NULL;
    size_t size = 0;
    SL_TRY(sl_write_provenance_text(info, &provenance));
    sl_hdf5_lock();
    sl_status status = make_file(image, counts, info, provenance, &bytes, &size);
    sl_hdf5_unlock();
    free(provenance);
    SL_TRY(status);
    sl_text_add_bytes(out, bytes, size);
    sl_free(bytes);
    return SL_OK;
}
