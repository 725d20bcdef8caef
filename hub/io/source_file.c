/* SPDX-License-Identifier: MIT
 *
 * Sources that are files: reading at a place, and the window behind peek.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "checked.h"
#include "hub/io/source.h"

/* A peek that does not go on where the window ends gets this much; one that
 * does gets twice what the last one got. */
#define PEEK_BYTES ((size_t)4 << 10)
/* A gap up to this size still counts as going on. */
#define NEAR_BYTES ((uint64_t)16 << 10)

static int
source_new(struct hub_budget *budget, const char *path, int file,
           struct ckpt_source **source)
{
    struct ckpt_source *made = hub_allocate(budget, sizeof *made);
    size_t length = strlen(path);

    if (made == NULL)
        return budget->report->status;
    made->budget = budget;
    made->report = budget->report;
    made->file = file;
    made->path = hub_allocate(budget, length + 1);
    if (made->path == NULL) {
        hub_release(budget, made);
        return budget->report->status;
    }
    memcpy(made->path, path, length);
    while (length > 1 && made->path[length - 1] == '/')
        made->path[--length] = '\0';
    made->name = strrchr(made->path, '/');
    made->name = made->name != NULL ? made->name + 1 : made->path;
    *source = made;
    return CKPT_OK;
}

int
hub_source_adopt(struct hub_budget *budget, const char *name, int file,
                 struct ckpt_source **source)
{
    struct ckpt_source *made;
    int status = source_new(budget, name, file, &made);

    if (status != CKPT_OK)
        return status;
    if (fstat(file, &made->seen) != 0) {
        status = hub_fail_errno(budget->report, errno, "cannot look at it");
    } else if (S_ISDIR(made->seen.st_mode)) {
        made->folder = true;
    } else if (S_ISREG(made->seen.st_mode)) {
        made->size_bytes = (uint64_t)made->seen.st_size;
    } else {
        status = hub_fail(budget->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "it is neither a file nor a folder");
    }
    if (status != CKPT_OK) {
        made->file = -1;
        hub_source_free(made);
        return status;
    }
    *source = made;
    return CKPT_OK;
}

int
hub_source_open(struct hub_budget *budget, const char *path,
                struct ckpt_source **source)
{
    int status, file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return hub_fail_errno(budget->report, errno, "cannot open");
    status = hub_source_adopt(budget, path, file, source);
    if (status != CKPT_OK)
        close(file);
    return status;
}

int
hub_source_memory(struct hub_budget *budget, const char *name,
                  const void *bytes, size_t size_bytes,
                  struct ckpt_source **source)
{
    static const unsigned char nothing[1];
    int status = source_new(budget, name, -1, source);

    if (status == CKPT_OK) {
        (*source)->memory = size_bytes > 0 ? bytes : nothing;
        (*source)->size_bytes = size_bytes;
    }
    return status;
}

void
hub_source_free(struct ckpt_source *source)
{
    if (source == NULL)
        return;
    if (source->file >= 0)
        close(source->file);
    hub_release(source->budget, source->window);
    hub_release(source->budget, source->names);
    hub_release(source->budget, source->path);
    hub_release(source->budget, source);
}

static int
source_bounds(const struct ckpt_source *source, uint64_t offset,
              size_t size_bytes)
{
    if (sdk_within(offset, size_bytes, source->size_bytes))
        return CKPT_OK;
    return hub_fail(source->report, CKPT_FORMAT, NULL, offset,
                    "the file ends at byte %llu, %zu more bytes are needed",
                    (unsigned long long)source->size_bytes, size_bytes);
}

static int
source_pread(const struct ckpt_source *source, uint64_t offset, void *buffer,
             size_t size_bytes)
{
    size_t done = 0;
    ssize_t got;

    while (done < size_bytes) {
        got = pread(source->file, (char *)buffer + done, size_bytes - done,
                    (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return hub_fail_errno(source->report, errno, "cannot read");
        if (got == 0)
            return hub_fail(source->report, CKPT_IO, NULL, offset + done,
                            "the file shrank while it was read");
        done += (size_t)got;
    }
    return CKPT_OK;
}

int
hub_source_read(const struct ckpt_source *source, uint64_t offset, void *buffer,
                size_t size_bytes)
{
    int status = source_bounds(source, offset, size_bytes);

    if (status != CKPT_OK || size_bytes == 0)
        return status;
    if (source->memory != NULL) {
        memcpy(buffer, source->memory + offset, size_bytes);
        return CKPT_OK;
    }
    return source_pread(source, offset, buffer, size_bytes);
}

/* How much a peek should bring: more and more while reading goes on. */
static size_t
peek_amount(const struct ckpt_source *source, uint64_t offset,
            size_t size_bytes)
{
    uint64_t end = source->window_offset + source->window_bytes;
    uint64_t left = source->size_bytes - offset;
    size_t amount = PEEK_BYTES;

    if (source->window_bytes > 0 && offset >= source->window_offset &&
        offset <= end + NEAR_BYTES)
        amount = 2 * source->window_bytes;
    if (amount > HUB_WINDOW_BYTES)
        amount = HUB_WINDOW_BYTES;
    if (amount < size_bytes)
        amount = size_bytes;
    return amount < left ? amount : (size_t)left;
}

static int
peek_fill(struct ckpt_source *source, uint64_t offset, size_t size_bytes)
{
    size_t amount = peek_amount(source, offset, size_bytes);
    int status;

    if (source->window == NULL) {
        source->window = hub_allocate(source->budget, HUB_WINDOW_BYTES);
        if (source->window == NULL)
            return source->report->status;
    }
    source->window_bytes = 0;
    status = source_pread(source, offset, source->window, amount);
    if (status == CKPT_OK) {
        source->window_offset = offset;
        source->window_bytes = amount;
    }
    return status;
}

int
hub_source_peek(const struct ckpt_source *source, uint64_t offset,
                size_t size_bytes, struct ckpt_span *span)
{
    /* The window is a cache: filling it leaves the source what it was. */
    struct ckpt_source *cache = (struct ckpt_source *)(uintptr_t)source;
    int status = source_bounds(source, offset, size_bytes);
    uint64_t from;

    if (status != CKPT_OK)
        return status;
    if (source->memory != NULL) {
        span->data = source->memory + offset;
        span->size_bytes = (size_t)(source->size_bytes - offset);
        return CKPT_OK;
    }
    if (size_bytes > HUB_WINDOW_BYTES)
        return hub_fail(source->report, CKPT_CONTRACT, NULL, offset,
                        "a peek of more than a window");
    if (offset < source->window_offset ||
        !sdk_within(offset - source->window_offset, size_bytes,
                    source->window_bytes))
        status = peek_fill(cache, offset, size_bytes);
    if (status != CKPT_OK)
        return status;
    from = offset - source->window_offset;
    span->data = source->window + from;
    span->size_bytes = source->window_bytes - (size_t)from;
    return CKPT_OK;
}

int
hub_source_unchanged(const struct ckpt_source *source)
{
    struct stat now;

    if (source->file < 0 || source->folder)
        return CKPT_OK;
    if (fstat(source->file, &now) != 0)
        return hub_fail_errno(source->report, errno, "cannot look at it");
    if (now.st_size == source->seen.st_size &&
        now.st_mtim.tv_sec == source->seen.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == source->seen.st_mtim.tv_nsec)
        return CKPT_OK;
    return hub_fail(source->report, CKPT_IO, NULL, CKPT_NOWHERE,
                    "the file changed while it was read");
}
