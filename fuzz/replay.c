/* Runs a fuzz target on every file of the given folders or files: how corpora replay without a fuzzer. */
#include "base/file.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static sl_status replay(void *count, const char *path) {
    char *data;
    size_t bytes;
    SL_TRY(sl_file_read(path, SL_LIMIT_FILE_BYTES, &data, &bytes));
    LLVMFuzzerTestOneInput((const uint8_t *)data, bytes);
    sl_free(data);
    ++*(int *)count;
    return SL_OK;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++) {
        sl_status status =
            sl_path_is_folder(argv[i]) ? sl_folder_walk(argv[i], replay, &count) : replay(&count, argv[i]);
        if (status) {
            fprintf(stderr, "%s\n", sl_error_message());
            return 1;
        }
    }
    printf("replayed %d inputs\n", count);
    return count ? 0 : 1;
}
