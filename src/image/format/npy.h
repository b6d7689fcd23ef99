#ifndef SL_IMAGE_FORMAT_NPY_H
#define SL_IMAGE_FORMAT_NPY_H

/* Starts the line of provenance behind the numbers; NumPy reads the shape's worth of numbers and no further.
 */
#define SL_NPY_PROVENANCE_MARK "\nscatterloop_provenance "

#endif
