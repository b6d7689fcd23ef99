#include "backend/device.h"

#include "base/limits.h"
#include "base/log.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char name[32]; /* "" until something is chosen: the CPU */
    int index;
    bool settled; /* nothing is left to be opened */
} chosen = {.settled = true};
static sl_device opened; /* .module NULL: plans run on the CPU */
static pthread_mutex_t choice = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER;

/* ---- the module's file ---- */

static sl_status host_fail(sl_status code, const char *format, va_list arguments) {
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    return sl_fail(code, "%s", text);
}

static sl_status host_context(sl_status code, const char *format, va_list arguments) {
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    return sl_context(code, "%s", text);
}

static void host_note(const char *format, va_list arguments) {
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    sl_info("%s", text);
}

const sl_device_host sl_device_program = {
    .abi = SL_DEVICE_ABI, .fail = host_fail, .context = host_context, .note = host_note};

/* The folder of the running program, without the last slash. */
static void program_folder(char *out, size_t bytes) {
    ssize_t length = readlink("/proc/self/exe", out, bytes - 1);
    out[length > 0 ? length : 0] = 0;
    char *slash = strrchr(out, '/');
    if (slash) *slash = 0;
}

/* SL_DEVICE_FOLDER, beside the program, in the library folder of an installed one. */
static void *open_file(const char *name, char *found, size_t bytes) {
    char folder[SL_LIMIT_PATH_BYTES], path[SL_LIMIT_PATH_BYTES + 64];
    program_folder(folder, sizeof folder);
    const char *forced = getenv("SL_DEVICE_FOLDER");
    const char *const patterns[] = {"%s/libscatterloop-%s.so", "%s/../lib/libscatterloop-%s.so"};
    for (size_t i = 0; i < (forced ? 1 : sizeof patterns / sizeof *patterns); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof path, patterns[i], forced ? forced : folder, name);
#pragma GCC diagnostic pop
        if (i == 0) snprintf(found, bytes, "%s", path);
        if (access(path, F_OK) != 0) continue;
        snprintf(found, bytes, "%s", path);
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return NULL;
}

static sl_status open_module(const char *name, const sl_device_module_table **out) {
    char path[SL_LIMIT_PATH_BYTES + 64];
    void *library = open_file(name, path, sizeof path);
    if (!library && access(path, F_OK) == 0)
        return sl_fail(SL_UNSUPPORTED, "the module '%s' does not load: %s", path, dlerror());
    if (!library)
        return sl_fail(SL_UNSUPPORTED,
                       "there is no module for device '%s' ('%s' is not there): './run build-%s' builds it",
                       name, path, name);
    sl_device_module_function function;
    *(void **)&function = dlsym(library, SL_DEVICE_MODULE_SYMBOL);
    const sl_device_module_table *table = function ? function(&sl_device_program) : NULL;
    if (!table || table->abi != SL_DEVICE_ABI) {
        dlclose(library);
        return sl_fail(SL_UNSUPPORTED,
                       "the module '%s' is of another version of this program: build both again", path);
    }
    *out = table;
    return SL_OK;
}

/* ---- opening ---- */

static void close_current(void) {
    if (opened.module) opened.module->close(opened.context);
    opened = (sl_device){0};
}

static sl_status open_device(const sl_device_module_table *module, int index) {
    int count = 0;
    sl_error_clear();
    SL_TRY(module->count(&count));
    if (count == 0) {
        char why[512]; /* which the module has left */
        snprintf(why, sizeof why, "%s", sl_error_message());
        return sl_fail(SL_UNSUPPORTED, "no device of '%s' is found%s%s", module->name, why[0] ? ": " : "",
                       why);
    }
    if (index >= count)
        return sl_fail(SL_UNSUPPORTED, "there is no device %s:%d: %d found, counted from 0", module->name,
                       index, count);
    sl_device device = {.module = module, .index = index};
    SL_TRY(sl_context(module->describe(index, &device.info), "device %s:%d", module->name, index));
    SL_TRY(sl_context(module->open(index, &device.context), "device %s:%d", module->name, index));
    close_current();
    opened = device;
    return SL_OK;
}

/* "cuda" or "cuda:1" */
static sl_status parse(const char *text, char *name, size_t bytes, int *out_index) {
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    char *end = NULL;
    long index = colon ? strtol(colon + 1, &end, 10) : 0;
    bool good = length && length < bytes && !memchr(text, '/', length) &&
                (!colon || (end != colon + 1 && !*end && index >= 0 && index < 1024));
    if (!good) return sl_fail(SL_INVALID, "device '%s': expected cpu, auto, cuda or cuda:NUMBER", text);
    snprintf(name, bytes, "%.*s", (int)length, text);
    *out_index = (int)index;
    return SL_OK;
}

sl_status sl_device_use(const char *text) {
    char name[sizeof chosen.name];
    int index = 0;
    SL_TRY(parse(text, name, sizeof name, &index));
    close_current();
    memcpy(chosen.name, name, sizeof name);
    chosen.index = index;
    chosen.settled = strcmp(name, "cpu") == 0;
    return SL_OK;
}

static sl_status open_chosen(void) {
    bool search = strcmp(chosen.name, "auto") == 0;
    const sl_device_module_table *module = NULL;
    sl_status status = open_module(search ? "cuda" : chosen.name, &module);
    if (status == SL_OK) status = open_device(module, chosen.index);
    if (status == SL_OK || !search) return status;
    sl_debug("no device: %s", sl_error_message());
    sl_error_clear();
    return SL_OK;
}

sl_status sl_device_current(const sl_device **out) {
    pthread_mutex_lock(&choice);
    sl_status status = chosen.settled ? SL_OK : open_chosen();
    if (status == SL_OK) chosen.settled = true;
    pthread_mutex_unlock(&choice);
    if (status == SL_OK) *out = opened.module ? &opened : NULL;
    return status;
}

sl_status sl_device_use_table(const sl_device_module_table *table) {
    SL_TRY(sl_device_use("cpu"));
    return table ? open_device(table, 0) : SL_OK;
}

const sl_kernel *sl_device_kernel(const sl_device *device, const sl_call *call) {
    return sl_kernel_find_in(device->module->kernels, device->module->kernel_count, call,
                             device->info.capabilities);
}

void sl_device_lock(const sl_device *device) {
    if (device) pthread_mutex_lock(&in_use);
}

void sl_device_unlock(const sl_device *device) {
    if (device) pthread_mutex_unlock(&in_use);
}
