/* A temporary folder for a test; what is in it goes with it. */
#ifndef SL_TESTS_SCRATCH_FOLDER_H
#define SL_TESTS_SCRATCH_FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_FOLDER_BYTES = 64 };

static inline bool scratch_folder_make(char folder[SCRATCH_FOLDER_BYTES]) {
    strcpy(folder, "/tmp/sl-test-XXXXXX");
    return mkdtemp(folder) != NULL;
}

static inline bool scratch_folder_remove(const char *folder) {
    char command[SCRATCH_FOLDER_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0;
}

#endif
