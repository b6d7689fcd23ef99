/* What is written of a simulated image: its files, one by one in a folder or as members of tar archives. */
#ifndef SL_LOOP_SIMULATE_OUTPUT_H
#define SL_LOOP_SIMULATE_OUTPUT_H

#include "base/file.h"
#include "loop/simulate.h"
#include "xray/simulate.h"

/* "tiff|hdf5|npy|webdataset" */
extern const char sl_simulate_formats[];

enum { SL_SIMULATED_FILES = 5 };

/* The files of one image, in memory. */
typedef struct sl_simulated_files {
    int count;
    struct {
        char suffix[24]; /* what follows image_NNNNNN in a folder, dot or underscore included */
        void *data;
        size_t bytes;
    } file[SL_SIMULATED_FILES];
} sl_simulated_files;

/* Counts, 16-bit picture, truth, and what else the settings ask for. *out: sl_simulated_files_free. */
sl_status sl_simulated_files_make(const sl_simulate_settings *settings, const sl_sim_sample *sample,
                                  sl_simulated_files *out);
void sl_simulated_files_free(sl_simulated_files *files);

bool sl_simulate_is_archive(const sl_simulate_settings *settings);
/* Suffix of the file of counts: "tif". */
const char *sl_simulated_suffix(const sl_simulate_settings *settings);

/* Where they go. Archives begin anew at every multiple of settings->per_archive and are named after their
 * first image, so that shards make no name twice; one that is not finished has no name. */
typedef struct sl_simulate_output {
    const sl_simulate_settings *settings;
    bool is_open;
    sl_file_writer archive;
} sl_simulate_output;

/* In folders, from any thread: each file whole or absent. Into archives, by rising index from one thread. */
sl_status sl_simulate_output_add(sl_simulate_output *output, int64_t index, const sl_simulated_files *files);
/* Finishes the archive at work. */
sl_status sl_simulate_output_end(sl_simulate_output *output);
/* Drops it. */
void sl_simulate_output_abandon(sl_simulate_output *output);

#endif
