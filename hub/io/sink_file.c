/* SPDX-License-Identifier: MIT
 *
 * Output files: room first, bytes next, the name last.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "hub/io/sink.h"

/* The target's folder and name, with links followed if it exists. */
static int
sink_target(struct hub_sink *sink, const char *target, bool force)
{
    char resolved[PATH_MAX];
    struct stat seen;

    sink->replaces = stat(target, &seen) == 0;
    if (sink->replaces && S_ISDIR(seen.st_mode))
        return hub_fail(sink->report, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                        "the output is a folder");
    if (sink->replaces && !S_ISREG(seen.st_mode))
        return hub_fail(sink->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                        "the output is no regular file");
    if (sink->replaces && !force) {
        hub_remedy(sink->report, "to replace it, add --force");
        return hub_fail(sink->report, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                        "the output exists");
    }
    if (sink->replaces && realpath(target, resolved) != NULL)
        target = resolved;
    sink->target = hub_path_join(sink->budget, NULL, 0, target);
    return sink->target != NULL ? CKPT_OK : sink->report->status;
}

/* ".NAME.XXXXXX.part" beside the target; a long name is cut. */
static int
sink_temporary(struct hub_sink *sink)
{
    const char *slash = strrchr(sink->target, '/');
    const char *name = slash != NULL ? slash + 1 : sink->target;
    int folder = (int)(name - sink->target), file;
    size_t room = strlen(sink->target) + 20;
    char *path = hub_allocate(sink->budget, room);

    if (path == NULL)
        return sink->report->status;
    snprintf(path, room, "%.*s.%.200s.XXXXXX.part", folder, sink->target, name);
    file = mkostemps(path, 5, O_CLOEXEC);
    if (file < 0) {
        hub_release(sink->budget, path);
        return hub_fail_errno(sink->report, errno,
                              "cannot create a file beside the output");
    }
    sink->temporary = path;
    sink->file = file;
    return CKPT_OK;
}

/* The permissions that a plain open, or the replaced file, would have. */
static int
sink_mode(struct hub_sink *sink)
{
    struct stat seen;
    mode_t mask, mode;

    if (sink->replaces && stat(sink->target, &seen) == 0) {
        mode = seen.st_mode & 0777;
    } else {
        mask = umask(0);
        umask(mask);
        mode = 0666 & ~mask;
    }
    if (fchmod(sink->file, mode) == 0)
        return CKPT_OK;
    return hub_fail_errno(sink->report, errno,
                          "cannot set the output's permissions");
}

/* File systems without fallocate at least tell how much is free. */
static int
sink_room_asked(struct hub_sink *sink)
{
    struct statvfs fs;

    if (fstatvfs(sink->file, &fs) == 0 &&
        sink->size_bytes / fs.f_frsize > fs.f_bavail)
        return hub_fail_errno(sink->report, ENOSPC,
                              "cannot make room for the output");
    if (ftruncate(sink->file, (off_t)sink->size_bytes) == 0)
        return CKPT_OK;
    return hub_fail_errno(sink->report, errno,
                          "cannot make room for the output");
}

static int
sink_room(struct hub_sink *sink)
{
    if (sink->size_bytes > INT64_MAX)
        return hub_fail(sink->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                        "the output would be larger than any file");
    if (sink->size_bytes == 0 ||
        fallocate(sink->file, 0, 0, (off_t)sink->size_bytes) == 0)
        return CKPT_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
        return sink_room_asked(sink);
    return hub_fail_errno(sink->report, errno,
                          "cannot make room for the output");
}

int
hub_sink_begin(struct hub_budget *budget, const char *target,
               uint64_t size_bytes, bool force, struct hub_sink **sink)
{
    struct hub_sink *made = hub_allocate(budget, sizeof *made);
    int status;

    if (made == NULL)
        return budget->report->status;
    made->budget = budget;
    made->report = budget->report;
    made->file = -1;
    made->size_bytes = size_bytes;
    made->buffer = hub_allocate(budget, HUB_SINK_BUFFER_BYTES);
    status = made->buffer != NULL ? CKPT_OK : budget->report->status;
    if (status == CKPT_OK)
        status = sink_target(made, target, force);
    if (status == CKPT_OK)
        status = sink_temporary(made);
    if (status == CKPT_OK)
        status = sink_mode(made);
    if (status == CKPT_OK)
        status = sink_room(made);
    if (status == CKPT_OK)
        *sink = made;
    else
        hub_sink_free(made);
    return status;
}

static int
sink_pwrite(struct hub_sink *sink, const unsigned char *bytes,
            size_t size_bytes, uint64_t offset)
{
    ssize_t put;

    while (size_bytes > 0) {
        put = pwrite(sink->file, bytes, size_bytes, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return hub_fail_errno(sink->report, errno,
                                  "cannot write the output");
        bytes += put;
        size_bytes -= (size_t)put;
        offset += (uint64_t)put;
    }
    return CKPT_OK;
}

int
hub_sink_put(struct hub_sink *sink, uint64_t offset, const void *bytes,
             size_t size_bytes)
{
    return sink_pwrite(sink, bytes, size_bytes, offset);
}

int
hub_sink_get(struct hub_sink *sink, uint64_t offset, void *buffer,
             size_t size_bytes)
{
    unsigned char *at = buffer;
    ssize_t got;

    while (size_bytes > 0) {
        got = pread(sink->file, at, size_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return hub_fail_errno(sink->report, got < 0 ? errno : EIO,
                                  "cannot read the output again");
        at += got;
        size_bytes -= (size_t)got;
        offset += (uint64_t)got;
    }
    return CKPT_OK;
}

int
hub_sink_resize(struct hub_sink *sink, uint64_t size_bytes)
{
    if (ftruncate(sink->file, (off_t)size_bytes) == 0)
        return CKPT_OK;
    return hub_fail_errno(sink->report, errno,
                          "cannot make room for the output");
}

int
hub_sink_flush(struct hub_sink *sink)
{
    size_t bytes = sink->buffered_bytes;

    sink->buffered_bytes = 0;
    return sink_pwrite(sink, sink->buffer, bytes, sink->position - bytes);
}

int
hub_sink_borrow(struct hub_sink *sink, size_t size_bytes, unsigned char **room)
{
    int status = CKPT_OK;

    if (size_bytes > HUB_SINK_BUFFER_BYTES - sink->buffered_bytes)
        status = hub_sink_flush(sink);
    if (status == CKPT_OK)
        *room = sink->buffer + sink->buffered_bytes;
    return status;
}

void
hub_sink_advance(struct hub_sink *sink, size_t size_bytes)
{
    sink->buffered_bytes += size_bytes;
    sink->position += size_bytes;
}

int
hub_sink_write(struct hub_sink *sink, const void *bytes, size_t size_bytes)
{
    unsigned char *room;
    int status;

    if (size_bytes > HUB_SINK_BUFFER_BYTES / 2) {
        status = hub_sink_flush(sink);
        if (status == CKPT_OK)
            status = sink_pwrite(sink, bytes, size_bytes, sink->position);
        if (status == CKPT_OK)
            sink->position += size_bytes;
        return status;
    }
    status = hub_sink_borrow(sink, size_bytes, &room);
    if (status == CKPT_OK && size_bytes > 0) {
        memcpy(room, bytes, size_bytes);
        hub_sink_advance(sink, size_bytes);
    }
    return status;
}

/* Errors that mean "not between these two files", as the manual has them. */
static bool
copy_unable(int error)
{
    return error == EXDEV || error == EINVAL || error == ENOSYS ||
           error == EOPNOTSUPP || error == EBADF || error == EPERM ||
           error == ETXTBSY;
}

int
hub_sink_copy(struct hub_sink *sink, const struct ckpt_source *source,
              uint64_t offset, size_t size_bytes, size_t *done_bytes)
{
    loff_t from = (loff_t)offset, to;
    ssize_t got;
    int status = hub_sink_flush(sink);

    *done_bytes = 0;
    if (status != CKPT_OK || source->file < 0)
        return status;
    to = (loff_t)sink->position;
    got = copy_file_range(source->file, &from, sink->file, &to, size_bytes, 0);
    if (got < 0 && errno != EINTR && !copy_unable(errno))
        return hub_fail_errno(sink->report, errno, "cannot write the output");
    if (got > 0) {
        sink->position += (uint64_t)got;
        *done_bytes = (size_t)got;
    }
    return CKPT_OK;
}

int
hub_sink_finish(struct hub_sink *sink, bool sync)
{
    int status = hub_sink_flush(sink);

    if (status != CKPT_OK)
        return status;
    if (sink->position != sink->size_bytes)
        return hub_fail(sink->report, CKPT_CONTRACT, NULL, sink->position,
                        "the output was planned with %llu bytes",
                        (unsigned long long)sink->size_bytes);
    if (sync && fsync(sink->file) != 0)
        return hub_fail_errno(sink->report, errno, "cannot sync the output");
    return CKPT_OK;
}

static int
sink_sync_folder(struct hub_sink *sink)
{
    char *slash = strrchr(sink->target, '/');
    int folder, error = 0;

    if (slash != NULL)
        *slash = '\0';
    folder = open(slash == NULL           ? "."
                  : slash == sink->target ? "/"
                                          : sink->target,
                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash != NULL)
        *slash = '/';
    if (folder < 0 || fsync(folder) != 0)
        error = errno;
    if (folder >= 0)
        close(folder);
    if (error == 0 || error == EINVAL)
        return CKPT_OK;
    return hub_fail_errno(sink->report, error,
                          "cannot sync the output's folder");
}

/* Renames without replacing; where the file system cannot, checks first. */
static int
sink_rename_new(struct hub_sink *sink)
{
    if (renameat2(AT_FDCWD, sink->temporary, AT_FDCWD, sink->target,
                  RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (access(sink->target, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(sink->temporary, sink->target);
}

int
hub_sink_commit(struct hub_sink *sink, bool force, bool sync)
{
    int failed =
        force ? rename(sink->temporary, sink->target) : sink_rename_new(sink);

    if (failed != 0 && errno == EEXIST)
        return hub_fail(sink->report, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                        "the output came into being meanwhile");
    if (failed != 0)
        return hub_fail_errno(sink->report, errno,
                              "cannot rename the output into place");
    hub_release(sink->budget, sink->temporary);
    sink->temporary = NULL;
    return sync ? sink_sync_folder(sink) : CKPT_OK;
}

void
hub_sink_free(struct hub_sink *sink)
{
    if (sink == NULL)
        return;
    if (sink->file >= 0)
        close(sink->file);
    if (sink->temporary != NULL)
        unlink(sink->temporary);
    hub_release(sink->budget, sink->temporary);
    hub_release(sink->budget, sink->target);
    hub_release(sink->budget, sink->buffer);
    hub_release(sink->budget, sink);
}
