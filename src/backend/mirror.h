/* Copies of host arrays in a device's memory: one for each array, shared by all plans that bind it. */
#ifndef SL_BACKEND_MIRROR_H
#define SL_BACKEND_MIRROR_H

#include "backend/device.h"

typedef struct sl_mirror sl_mirror;

/* The mirror of `bytes` at `host`, made at the first call (its bytes are then undefined), counted at later
 * ones; give each back by sl_mirror_release. SL_MEMORY where the device has no room; SL_INVALID where the
 * array is known with another size. Call with the device locked, as the functions below. */
sl_status sl_mirror_acquire(const sl_device *device, void *host, size_t bytes, sl_mirror **out);
void sl_mirror_release(sl_mirror *mirror); /* NULL is fine */

/* The mirror of that array, uncounted; NULL where there is none. */
sl_mirror *sl_mirror_find(const sl_device *device, const void *host);

/* A held mirror is the master: plans neither push nor pull it, until it is held no more. */
void sl_mirror_hold(sl_mirror *mirror, bool held);
bool sl_mirror_held(const sl_mirror *mirror);

void *sl_mirror_address(const sl_mirror *mirror); /* in the device's memory */
sl_status sl_mirror_push(sl_mirror *mirror);      /* host to device */
sl_status sl_mirror_pull(sl_mirror *mirror);      /* device to host; waits */

#endif
