#include "backend/mirror.h"

#include "base/memory.h"

enum { BUCKETS = 1024 };

struct sl_mirror {
    const sl_device *device;
    void *host, *address;
    size_t bytes;
    int holders;
    bool held;
    sl_mirror *next; /* in its bucket */
};

static sl_mirror *buckets[BUCKETS];

static sl_mirror **bucket_of(const void *host) {
    return &buckets[(uintptr_t)host / SL_ALIGNMENT % BUCKETS];
}

sl_mirror *sl_mirror_find(const sl_device *device, const void *host) {
    for (sl_mirror *m = *bucket_of(host); m; m = m->next)
        if (m->host == host && m->device == device) return m;
    return NULL;
}

sl_status sl_mirror_acquire(const sl_device *device, void *host, size_t bytes, sl_mirror **out) {
    sl_mirror *mirror = sl_mirror_find(device, host);
    if (mirror && mirror->bytes != bytes)
        return sl_fail(SL_INVALID, "an array of %zu bytes is bound as one of %zu", mirror->bytes, bytes);
    if (!mirror) {
        SL_TRY(sl_alloc(&mirror, 1, sizeof *mirror));
        *mirror = (sl_mirror){.device = device, .host = host, .bytes = bytes, .next = *bucket_of(host)};
        sl_status status = device->module->allocate(device->context, bytes, &mirror->address);
        if (status != SL_OK) {
            sl_free(mirror);
            return status;
        }
        *bucket_of(host) = mirror;
    }
    mirror->holders++;
    *out = mirror;
    return SL_OK;
}

void sl_mirror_release(sl_mirror *mirror) {
    if (!mirror || --mirror->holders > 0) return;
    sl_mirror **link = bucket_of(mirror->host);
    while (*link != mirror) link = &(*link)->next;
    *link = mirror->next;
    mirror->device->module->release(mirror->device->context, mirror->address);
    sl_free(mirror);
}

void sl_mirror_hold(sl_mirror *mirror, bool held) {
    mirror->held = held;
}

bool sl_mirror_held(const sl_mirror *mirror) {
    return mirror->held;
}

void *sl_mirror_address(const sl_mirror *mirror) {
    return mirror->address;
}

sl_status sl_mirror_push(sl_mirror *mirror) {
    return mirror->device->module->upload(mirror->device->context, mirror->address, mirror->host,
                                          mirror->bytes);
}

sl_status sl_mirror_pull(sl_mirror *mirror) {
    return mirror->device->module->download(mirror->device->context, mirror->host, mirror->address,
                                            mirror->bytes);
}
