/* SPDX-License-Identifier: MIT
 *
 * The stack of errors that libhdf5 keeps for each thread, from its deepest
 * entry up: that one is the cause.
 */
#include "hdf5_error.h"

#include <stdio.h>
#include <string.h>

#define CAUSE_BYTES 200

void
hdf5_quiet_begin(struct hdf5_quiet *quiet)
{
    memset(quiet, 0, sizeof *quiet);
    H5Eget_auto2(H5E_DEFAULT, &quiet->print, &quiet->data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void
hdf5_quiet_end(const struct hdf5_quiet *quiet)
{
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, quiet->print, quiet->data);
}

static herr_t
error_first(unsigned index, const H5E_error2_t *error, void *cause)
{
    if (index == 0 && error->desc != NULL)
        snprintf(cause, CAUSE_BYTES, "%s", error->desc);
    return 0;
}

static void
error_cause(char cause[CAUSE_BYTES])
{
    cause[0] = '\0';
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, error_first, cause);
}

int
hdf5_fail(const struct ckpt_host *host, int status, const char *name,
          uint64_t byte, const char *what)
{
    char cause[CAUSE_BYTES];

    error_cause(cause);
    H5Eclear2(H5E_DEFAULT);
    return host->fail(host, status, name, byte, "%s%s%s", what,
                      cause[0] != '\0' ? ": libhdf5: " : "", cause);
}

bool
hdf5_failed_with(const char *text)
{
    char cause[CAUSE_BYTES];

    error_cause(cause);
    return strstr(cause, text) != NULL;
}

/* The link by which an object was found: of one that was found earlier. */
static const struct hdf5_link *
path_link(const struct hdf5_tree *tree, const struct hdf5_object *object,
          const struct hdf5_object **group)
{
    const struct hdf5_link *link;
    size_t i;

    for (i = 0; i < object->index; i++)
        for (link = tree->objects[i]->links; link != NULL; link = link->next)
            if (link->object == object) {
                *group = tree->objects[i];
                return link;
            }
    return NULL;
}

const char *
hdf5_path(const struct hdf5_tree *tree, const struct hdf5_object *object,
          char *path, size_t path_bytes)
{
    size_t at = path_bytes - 1;
    const struct hdf5_link *link;

    path[at] = '\0';
    while ((link = path_link(tree, object, &object)) != NULL) {
        if (path[at] != '\0')
            path[--at] = '/';
        if (link->name_bytes + 4 > at) {
            at -= 3;
            memcpy(path + at, "...", 3);
            break;
        }
        at -= link->name_bytes;
        memcpy(path + at, link->name, link->name_bytes);
    }
    memmove(path, path + at, path_bytes - at);
    return path;
}
