/* SPDX-License-Identifier: MIT
 *
 * What lies beside a source or in a folder. A name from a file is followed
 * only inside that folder; the one exception is a Hugging Face cache, whose
 * snapshots are links into the `blobs` folder next to them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/io/source.h"

char *
hub_path_join(struct hub_budget *budget, const char *folder,
              size_t folder_bytes, const char *name)
{
    size_t name_bytes = strlen(name);
    char *path = hub_allocate(budget, folder_bytes + name_bytes + 2);

    if (path == NULL)
        return NULL;
    if (folder_bytes > 0) {
        memcpy(path, folder, folder_bytes);
        path[folder_bytes++] = '/';
    }
    memcpy(path + folder_bytes, name, name_bytes);
    return path;
}

static bool
name_plain(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0 && strchr(name, '/') == NULL &&
           strchr(name, '\\') == NULL;
}

/* The length of the part of a path before its last separator; in the root
 * folder that is the separator itself. */
static size_t
path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == path)
        return 1;
    return slash != NULL ? (size_t)(slash - path) : 0;
}

/* Whether `real`, a resolved path, lies directly in `folder`, or in the
 * blobs of the cache whose snapshot `folder` is. Both are resolved. */
static bool
path_allowed(const char *real, const char *folder)
{
    size_t inside = path_folder(real), length = strlen(folder);
    const char *snapshots;

    if (inside == length && strncmp(real, folder, length) == 0)
        return true;
    snapshots = strstr(folder, "/snapshots/");
    if (snapshots == NULL)
        return false;
    length = (size_t)(snapshots - folder);
    return strncmp(real, folder, length) == 0 &&
           strncmp(real + length, "/blobs/", 7) == 0 &&
           strchr(real + length + 7, '/') == NULL;
}

/* Refuses a real path that is elsewhere. */
static int
beside_check(struct hub_report *report, const char *real, const char *folder,
             const char *name)
{
    char resolved[PATH_MAX];

    if (realpath(folder, resolved) == NULL)
        return hub_fail_errno(report, errno, "cannot resolve a path");
    if (path_allowed(real, resolved))
        return CKPT_OK;
    return hub_fail(report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                    "'%s' is a link that leaves the folder of the input", name);
}

static int
beside_check_opened(struct hub_report *report, int file, const char *folder,
                    const char *name)
{
    char link[40], real[PATH_MAX];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, real, sizeof real - 1);
    if (length < 0)
        return hub_fail_errno(report, errno, "cannot resolve a path");
    real[length] = '\0';
    return beside_check(report, real, folder, name);
}

/* Where the command is confined, a link that leaves the folder cannot be
 * opened, and is still told as one. */
static int
beside_closed(struct hub_report *report, int error, const char *path,
              const char *folder, const char *name)
{
    char real[PATH_MAX];
    int status = CKPT_OK;

    if (error == EACCES && realpath(path, real) != NULL)
        status = beside_check(report, real, folder, name);
    return status != CKPT_OK ? status
                             : hub_fail(report, CKPT_IO, NULL, CKPT_NOWHERE,
                                        "cannot open '%s' beside it: %s", name,
                                        strerror(error));
}

static int
beside_open(const struct ckpt_source *source, const char *path,
            const char *folder, const char *name, struct ckpt_source **opened)
{
    int status, file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return beside_closed(source->report, errno, path, folder, name);
    status = beside_check_opened(source->report, file, folder, name);
    if (status == CKPT_OK)
        status = hub_source_adopt(source->budget, path, file, opened);
    if (status != CKPT_OK)
        close(file);
    return status;
}

int
hub_source_open_beside(const struct ckpt_source *source, const char *name,
                       struct ckpt_source **opened)
{
    struct hub_budget *budget = source->budget;
    size_t folder_bytes =
        source->folder ? strlen(source->path) : path_folder(source->path);
    char *path, *folder;
    int status;

    if (source->memory != NULL)
        return hub_fail(source->report, CKPT_IO, NULL, CKPT_NOWHERE,
                        "there is no file '%s' beside bytes in memory", name);
    if (!name_plain(name))
        return hub_fail(source->report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                        "'%s' is not the plain name of a file", name);
    folder = hub_path_join(budget, source->path, folder_bytes, ".");
    path = hub_path_join(budget, source->path, folder_bytes, name);
    if (folder != NULL && path != NULL)
        status = beside_open(source, path, folder, name, opened);
    else
        status = budget->report->status;
    hub_release(budget, folder);
    hub_release(budget, path);
    return status;
}

bool
hub_source_is_beside(const struct ckpt_source *source,
                     const struct ckpt_source *found, const char *name)
{
    size_t folder_bytes =
        source->folder ? strlen(source->path) : path_folder(source->path);
    size_t start = folder_bytes > 0 ? folder_bytes + 1 : 0;

    return strlen(found->path) == start + strlen(name) &&
           memcmp(found->path, source->path, folder_bytes) == 0 &&
           strcmp(found->path + start, name) == 0 &&
           (start == 0 || found->path[folder_bytes] == '/');
}

static int
name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One block: the pointers, then the names themselves. */
static int
list_pack(struct ckpt_source *folder, struct dirent **found, size_t count)
{
    size_t i, bytes = (count + 1) * sizeof(char *);
    char *text;

    for (i = 0; i < count; i++)
        bytes += strlen(found[i]->d_name) + 1;
    folder->names = hub_allocate(folder->budget, bytes);
    if (folder->names == NULL)
        return folder->report->status;
    text = (char *)(folder->names + count + 1);
    for (i = 0; i < count; i++) {
        folder->names[i] = text;
        bytes = strlen(found[i]->d_name) + 1;
        memcpy(text, found[i]->d_name, bytes);
        text += bytes;
    }
    qsort(folder->names, count, sizeof *folder->names, name_order);
    return CKPT_OK;
}

static int
list_visible(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

int
hub_source_list(const struct ckpt_source *folder, const char *const **names)
{
    /* The list is a cache: filling it leaves the source what it was. */
    struct ckpt_source *cache = (struct ckpt_source *)(uintptr_t)folder;
    struct dirent **found;
    int i, count, status = CKPT_OK;

    if (!folder->folder)
        return hub_fail(folder->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "listing what is no folder");
    if (folder->names == NULL) {
        count = scandir(folder->path, &found, list_visible, NULL);
        if (count < 0)
            return hub_fail_errno(folder->report, errno, "cannot list");
        status = list_pack(cache, found, (size_t)count);
        for (i = 0; i < count; i++)
            free(found[i]);
        free(found);
    }
    if (status == CKPT_OK)
        *names = (const char *const *)folder->names;
    return status;
}
