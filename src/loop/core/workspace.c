/* No workspaces: what works without one works here. */
#include "loop/workspace.h"

#include "base/core/core_only.h"
#include "base/file.h"

sl_status sl_workspace_open(const char *folder, sl_workspace **out) {
    (void)out;
    if (folder) return sl_context(sl_core_only_lacks("a workspace"), "'%s'", folder);
    return sl_fail(
        SL_NOT_FOUND,
        "a core-only program has no workspaces: name folders (--help lists the options), or use the "
        "full build");
}

void sl_workspace_close(sl_workspace *workspace) {
    (void)workspace;
}

sl_status sl_workspace_put_image(const sl_workspace *workspace, const sl_image *image, sl_arena *arena,
                                 sl_image_record *record) {
    (void)workspace, (void)image, (void)arena, (void)record;
    return sl_core_only_lacks("a workspace");
}

sl_status sl_workspace_get_image(const sl_workspace *workspace, const char *object_hash, sl_image *out) {
    (void)workspace, (void)object_hash, (void)out;
    return sl_core_only_lacks("a workspace");
}

char *sl_workspace_path(const sl_workspace *workspace, sl_arena *arena, const char *relative) {
    return relative[0] == '/' ? sl_arena_strdup(arena, relative)
                              : sl_path_join(arena, workspace->root, relative);
}

sl_status sl_workspace_check(const sl_workspace *workspace, sl_workspace_report *out) {
    (void)workspace, (void)out;
    return sl_core_only_lacks("a workspace");
}
