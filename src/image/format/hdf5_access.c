#include "image/format/hdf5_access.h"

#include "base/limits.h"
#include "image/format/hdf5_filters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1 << 20 };

/* ---- the file image: HDF5 asks for copies through these and is always given the bytes themselves ---- */

static void *image_same(size_t bytes, H5FD_file_image_op_t operation, void *context) {
    (void)operation;
    sl_source *source = context;
    return bytes == source->bytes ? (void *)(uintptr_t)source->data : NULL;
}

static void *image_no_copy(void *target, const void *from, size_t bytes, H5FD_file_image_op_t operation,
                           void *context) {
    (void)from;
    (void)bytes;
    (void)operation;
    (void)context;
    return target;
}

static void *image_no_growth(void *image, size_t bytes, H5FD_file_image_op_t operation, void *context) {
    (void)operation;
    sl_source *source = context;
    return bytes == source->bytes ? image : NULL;
}

static herr_t image_keep(void *image, H5FD_file_image_op_t operation, void *context) {
    (void)image;
    (void)operation;
    (void)context;
    return 0;
}

static void *context_same(void *context) {
    return context;
}

static herr_t context_keep(void *context) {
    (void)context;
    return 0;
}

static void prepare_library(void) {
    static _Thread_local bool ready;
    if (ready) return;
    ready = true;
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
    H5Lunregister(H5L_TYPE_EXTERNAL);
    sl_hdf5_filters_register();
}

sl_status sl_hdf5_open(const sl_source *source, hid_t *out_file) {
    prepare_library();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5FD_file_image_callbacks_t callbacks = {
        image_same,   image_no_copy, image_no_growth,          image_keep,
        context_same, context_keep,  (void *)(uintptr_t)source};
    bool good = access >= 0 && H5Pset_fapl_core(access, 1 << 16, 0) >= 0 &&
                H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
                H5Pset_file_image(access, (void *)(uintptr_t)source->data, source->bytes) >= 0;
    hid_t file = good ? H5Fopen("image", H5F_ACC_RDONLY, access) : -1;
    sl_status status = file < 0 ? sl_hdf5_failed("cannot be opened") : SL_OK;
    if (access >= 0) H5Pclose(access);
    if (!status) *out_file = file;
    return status;
}

static herr_t keep_reason(unsigned depth, const H5E_error2_t *error, void *context) {
    (void)depth;
    snprintf(context, 160, "%s", error->desc ? error->desc : "");
    return 0;
}

sl_status sl_hdf5_failed(const char *what) {
    char reason[160] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_reason, reason); /* ends with the outermost */
    char inner[160] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_reason, inner);
    H5Eclear2(H5E_DEFAULT);
    return sl_fail(SL_FORMAT, "%s: %s (%s)", what, reason, inner);
}

/* ---- texts and numbers ---- */

/* The first string of an attribute (`read` is H5Aread) or dataset into a new block. */
static bool first_text(hid_t object, bool is_attribute, char **out, size_t *out_bytes) {
    hid_t type = is_attribute ? H5Aget_type(object) : H5Dget_type(object);
    hid_t space = is_attribute ? H5Aget_space(object) : H5Dget_space(object);
    bool good = false;
    char *text = NULL;
    hssize_t count = H5Sget_simple_extent_npoints(space);
    if (H5Tget_class(type) == H5T_STRING && count >= 1 && count <= 64) {
        size_t bytes = H5Tget_size(type);
        if (H5Tis_variable_str(type) > 0) {
            char *pieces[64] = {0};
            hid_t memory = H5Tcopy(type);
            herr_t read = is_attribute ? H5Aread(object, memory, pieces)
                                       : H5Dread(object, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, pieces);
            if (read >= 0 && pieces[0] && sl_alloc(&text, strlen(pieces[0]) + 1, 1) == SL_OK) {
                strcpy(text, pieces[0]);
                good = true;
            }
            if (read >= 0) H5Dvlen_reclaim(memory, space, H5P_DEFAULT, pieces);
            H5Tclose(memory);
        } else if (bytes <= TEXT_BYTES_MAX && sl_alloc(&text, (size_t)count * bytes + 1, 1) == SL_OK) {
            herr_t read = is_attribute ? H5Aread(object, type, text)
                                       : H5Dread(object, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text);
            good = read >= 0;
            text[bytes] = '\0';
        }
    }
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (!good) {
        sl_free(text);
        return false;
    }
    *out = text;
    *out_bytes = strlen(text);
    return true;
}

bool sl_hdf5_attribute_text(hid_t object, const char *name, char *out, size_t capacity) {
    if (H5Aexists(object, name) <= 0) return false;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return false;
    char *text;
    size_t bytes;
    bool good = first_text(attribute, true, &text, &bytes);
    H5Aclose(attribute);
    if (!good) return false;
    snprintf(out, capacity, "%s", text);
    sl_free(text);
    return true;
}

bool sl_hdf5_dataset_text(hid_t at, const char *path, char **out, size_t *out_bytes) {
    hid_t dataset = H5Dopen2(at, path, H5P_DEFAULT);
    if (dataset < 0) return false;
    bool good = first_text(dataset, false, out, out_bytes);
    H5Dclose(dataset);
    return good;
}

bool sl_hdf5_number(hid_t at, const char *path, double *out, char *unit, size_t capacity) {
    hid_t dataset = H5Dopen2(at, path, H5P_DEFAULT);
    if (dataset < 0) return false;
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    H5T_class_t class = H5Tget_class(type);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    double numbers[16];
    bool good = (class == H5T_FLOAT || class == H5T_INTEGER) && count >= 1 && count <= 16 &&
                H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0 &&
                isfinite(numbers[0]);
    unit[0] = '\0';
    if (good) *out = numbers[0];
    if (good && !sl_hdf5_attribute_text(dataset, "units", unit, capacity)) {
        char description[256];
        if (sl_hdf5_attribute_text(dataset, "NDAttrDescription", description, sizeof description)) {
            const char *comma = strrchr(description, ',');
            if (comma) snprintf(unit, capacity, "%s", comma + 1 + strspn(comma + 1, " "));
        }
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(dataset);
    return good;
}

/* ---- arrays ---- */

static sl_status array_type(hid_t dataset, sl_dtype *out) {
    static const sl_dtype integers[2][4] = {{SL_U8, SL_U16, SL_U32, SL_U64}, {SL_I8, SL_I16, SL_I32, SL_I64}};
    hid_t type = H5Dget_type(dataset);
    H5T_class_t class = H5Tget_class(type);
    size_t bytes = H5Tget_size(type);
    bool is_signed = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
    H5Tclose(type);
    if (class == H5T_INTEGER && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8)) {
        *out = integers[is_signed][bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3];
    } else if (class == H5T_FLOAT && (bytes == 2 || bytes == 4)) {
        *out = SL_F32;
    } else if (class == H5T_FLOAT && bytes == 8) {
        *out = SL_F64;
    } else {
        return sl_fail(SL_MISMATCH, "elements of class %d with %zu bytes, expected integers or floats",
                       (int)class, bytes);
    }
    return SL_OK;
}

hid_t sl_hdf5_memory_type(sl_dtype dtype) {
    switch (dtype) {
    case SL_U8:
        return H5T_NATIVE_UINT8;
    case SL_I8:
        return H5T_NATIVE_INT8;
    case SL_U16:
        return H5T_NATIVE_UINT16;
    case SL_I16:
        return H5T_NATIVE_INT16;
    case SL_U32:
        return H5T_NATIVE_UINT32;
    case SL_I32:
        return H5T_NATIVE_INT32;
    case SL_U64:
        return H5T_NATIVE_UINT64;
    case SL_I64:
        return H5T_NATIVE_INT64;
    case SL_F64:
        return H5T_NATIVE_DOUBLE;
    default:
        return H5T_NATIVE_FLOAT;
    }
}

static sl_status array_storage(hid_t dataset, sl_hdf5_array *out) {
    hid_t list = H5Dget_create_plist(dataset), type = H5Dget_type(dataset);
    H5D_layout_t layout = H5Pget_layout(list);
    sl_status status = SL_OK;
    out->chunk_bytes = 0;
    if (layout == H5D_VIRTUAL) {
        status = sl_fail(SL_UNSUPPORTED, "virtual dataset: its numbers are in other files, read those");
    } else if (H5Pget_external_count(list) > 0) {
        status = sl_fail(SL_UNSUPPORTED, "its numbers are stored in another file");
    } else if (layout == H5D_CHUNKED) {
        hsize_t chunk[4];
        int rank = H5Pget_chunk(list, 4, chunk);
        size_t bytes = H5Tget_size(type);
        for (int i = 0; !status && i < rank && i < 4; i++) status = sl_size_mul(bytes, chunk[i], &bytes);
        if (!status && bytes > (size_t)SL_LIMIT_IMAGE_PX * 8)
            status = sl_fail(SL_LIMIT, "chunks of %zu MiB", bytes >> 20);
        out->chunk_bytes = bytes;
        if (!status) status = sl_hdf5_filters_check(list);
    }
    H5Pclose(list);
    H5Tclose(type);
    return status;
}

sl_status sl_hdf5_array_describe(hid_t dataset, sl_hdf5_array *out) {
    hid_t space = H5Dget_space(dataset);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dim[H5S_MAX_RANK];
    if (rank > 0) H5Sget_simple_extent_dims(space, dim, NULL);
    if (space >= 0) H5Sclose(space);
    if (rank < 2 || rank > 4)
        return sl_fail(SL_MISMATCH,
                       "dataset of %d dimensions, expected 2 to 4 (frames before height and width)", rank);
    out->rank = rank;
    size_t frames = 1;
    for (int i = 0; i < rank; i++) out->dim[i] = dim[i];
    for (int i = 0; i < rank - 2; i++) SL_TRY(sl_size_mul(frames, dim[i], &frames));
    if (frames < 1 || frames > INT64_MAX) return sl_fail(SL_FORMAT, "stack of %zu frames", frames);
    out->frames = (int64_t)frames;
    if (dim[rank - 2] > INT32_MAX || dim[rank - 1] > INT32_MAX)
        return sl_fail(SL_LIMIT, "frames of %llu x %llu pixels", (unsigned long long)dim[rank - 2],
                       (unsigned long long)dim[rank - 1]);
    SL_TRY(sl_format_check_size((int64_t)dim[rank - 2], (int64_t)dim[rank - 1]));
    SL_TRY(array_type(dataset, &out->dtype));
    return array_storage(dataset, out);
}
