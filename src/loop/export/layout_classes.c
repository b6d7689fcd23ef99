/* A folder for each split, in it one for each class, real and fake: as torchvision's ImageFolder reads it,
 * and as the classifiers of arXiv 2408.12720 were trained from. */
#include "loop/export/writer.h"

static sl_status add(sl_export_writer *writer, const sl_export_item *item) {
    char path[128];
    bool real = item->row.label == SL_LABEL_REAL;
    snprintf(path, sizeof path, "%s/%s/image_%06lld.%s", sl_export_split_name(item->row.record.split),
             real ? "real" : "fake", (long long)item->row.record.id, item->suffix);
    return sl_export_put(writer, path, item->data, item->bytes);
}

const sl_export_layout sl_export_classes = {
    .name = "classes",
    .pixels = "png",
    .labelled_only = true,
    .read_with = "`torchvision.datasets.ImageFolder(\"THIS_FOLDER/train\")`: class 0 is fake, class 1 real",
    .add = add,
};
