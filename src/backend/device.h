/* Where plans run: the CPU, or a device whose code is a module opened at run time.
 *
 *     sl_device_use("cuda")                 once, at the start
 *     sl_device_current(&device)            what new plans run on
 *
 * A module is a shared library (libscatterloop-NAME.so) that exports one function, sl_device_module; it is
 * handed the program's way to report failures and gives its table back. Both sides carry SL_DEVICE_ABI, so
 * that a module of another build is refused, not run. The program links nothing of a device's libraries.
 *
 * Kernels of a module follow the contract of backend/kernel.h, with these differences: call->device is the
 * module's context, addresses are the device's, run() only puts work into the context's stream, pack()
 * likewise; worker_scratch is never asked for. Streams are in order, so that nothing waits but a download. */
#ifndef SL_BACKEND_DEVICE_H
#define SL_BACKEND_DEVICE_H

#include "backend/kernel.h"

#include <stdarg.h>

/* Changes with what both sides lay out alike: operations by number, attributes and calls by size. */
enum { SL_DEVICE_ABI = 5 << 24 | SL_OP_COUNT << 16 | (sizeof(sl_attrs) + sizeof(sl_call)) % 65536 };

typedef struct sl_device_info {
    char name[128];        /* "NVIDIA H200" */
    char detail[128];      /* "compute capability 9.0, driver 13.0" */
    size_t total_bytes;    /* memory of the device */
    size_t free_bytes;     /* of it, now */
    unsigned capabilities; /* what its kernels may ask for, in place of the CPU's levels */
} sl_device_info;

/* What the program gives to a module. */
typedef struct sl_device_host {
    uint32_t abi;
    sl_status (*fail)(sl_status code, const char *format, va_list arguments);
    sl_status (*context)(sl_status code, const char *format, va_list arguments);
    void (*note)(const char *format, va_list arguments); /* a line of the log */
} sl_device_host;

/* This program's: failures are sl_fail's and sl_context's, notes sl_info's. */
extern const sl_device_host sl_device_program;

/* What a module gives to the program. Functions report failures by host->fail; `device` is what open() made.
 * All functions of one device are called by one thread at a time. The table outlives its devices. */
typedef struct sl_device_module_table {
    uint32_t abi;
    const char *name;
    const sl_kernel *kernels; /* as in kernels.def, the best of an op first */
    int kernel_count;

    sl_status (*count)(int *out); /* devices there are; none is no failure */
    sl_status (*describe)(int index, sl_device_info *out);
    sl_status (*open)(int index, void **out_device);
    void (*close)(void *device);

    /* 256-byte aligned. SL_MEMORY says how much was asked for and how much is free. */
    sl_status (*allocate)(void *device, size_t bytes, void **out);
    void (*release)(void *device, void *memory); /* waits for work that may use it; NULL is fine */

    /* All but download and synchronize return before the work is done. upload has taken its copy of `from`
     * when it returns. download returns when the bytes are there and reports failures of earlier work. */
    sl_status (*upload)(void *device, void *to, const void *from, size_t bytes);
    sl_status (*download)(void *device, void *to, const void *from, size_t bytes);
    sl_status (*copy)(void *device, void *to, const void *from, size_t bytes); /* within the device */
    sl_status (*fill)(void *device, void *to, int byte, size_t bytes);
    sl_status (*synchronize)(void *device);

    /* Calls of run() between begin and end are recorded, not run; launch() runs the recording, as often as
     * wanted. NULL where a device has no such thing. */
    sl_status (*record_begin)(void *device);
    sl_status (*record_end)(void *device, void **out_recording);
    sl_status (*launch)(void *device, void *recording);
    void (*recording_free)(void *device, void *recording);

    /* Seconds from the last mark, once all work before this one is done (waits): for profiles. */
    sl_status (*mark_s)(void *device, double *out_s);
} sl_device_module_table;

typedef const sl_device_module_table *(*sl_device_module_function)(const sl_device_host *host);

/* A module's one exported name. NULL: another ABI. */
#define SL_DEVICE_MODULE_SYMBOL "sl_device_module"

/* An opened device. */
typedef struct sl_device {
    const sl_device_module_table *module;
    void *context;
    sl_device_info info;
    int index;
} sl_device;

/* The best kernel of the device's module for a call, or NULL: the device cannot run it. */
const sl_kernel *sl_device_kernel(const sl_device *device, const sl_call *call);

/* Choose what plans made from now on run on: "cpu" (the default); "cuda" or "cuda:1"; "auto": a device where
 * module and device are there, else the CPU. SL_INVALID for other words. Nothing is opened yet. */
sl_status sl_device_use(const char *name);

/* The chosen device, opened by the first call; NULL: the CPU. SL_UNSUPPORTED where it is not to be had, which
 * says how to get it. It stays as it is until sl_device_use, before which all plans are freed. */
sl_status sl_device_current(const sl_device **out);

/* Held while a device's functions are called: plans are of many threads, a device of one at a time. NULL is
 * fine. */
void sl_device_lock(const sl_device *device);
void sl_device_unlock(const sl_device *device);

/* Tests: use the devices of this table in place of a module's; NULL ends that. */
sl_status sl_device_use_table(const sl_device_module_table *table);

#endif
