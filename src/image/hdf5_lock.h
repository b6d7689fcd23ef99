/* Held while this process calls into libhdf5, and while it forks a decoder: see decode.c. */
#ifndef SL_IMAGE_HDF5_LOCK_H
#define SL_IMAGE_HDF5_LOCK_H

void sl_hdf5_lock(void);
void sl_hdf5_unlock(void);

#endif
