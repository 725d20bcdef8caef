/* SPDX-License-Identifier: MIT
 *
 * Unpacking gzip (RFC 1952): one member after the other, each with its own
 * CRC-32 and size, which zlib checks. Zeros behind the last one are padding;
 * anything else there is told and left out, as gzip does.
 */
#include "hub/io/unpack.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "hub/io/stream.h"

#define WINDOW_BYTES ((size_t)256 << 10)
#define HEADER_BYTES 18 /* the least that a member takes */

/* Past so many bytes more than this ratio is a bomb: a packer reaches 1032 on
 * zeros alone. */
#define RATIO_FROM ((uint64_t)256 << 20)
#define RATIO_MAX 1000

/* How often the room that is left is looked at, and what part of the disk must
 * stay free. */
#define ROOM_STEP ((uint64_t)64 << 20)
#define ROOM_PART 32

struct unpacking {
    const struct hub_unpack *how;
    struct hub_report *report;
    const struct ckpt_source *packed;
    int file;
    z_stream zlib;
    uint64_t read_bytes; /* of the packed file: all that was handed to zlib */
    uint64_t made_bytes, looked_bytes;
    unsigned char in[WINDOW_BYTES], out[WINDOW_BYTES];
};

bool
hub_packed_bytes(const unsigned char *bytes)
{
    return bytes[0] == 0x1f && bytes[1] == 0x8b;
}

bool
hub_packed(const struct ckpt_source *source)
{
    struct ckpt_span span;

    return !source->folder && source->size_bytes >= HEADER_BYTES &&
           hub_source_peek(source, 0, 2, &span) == CKPT_OK &&
           hub_packed_bytes(span.data);
}

static uint64_t
unpack_place(const struct unpacking *u)
{
    return u->read_bytes - u->zlib.avail_in;
}

static int
unpack_fail(const struct unpacking *u, int status, const char *what)
{
    return hub_fail(u->report, status, NULL, unpack_place(u), "%s", what);
}

/* The disk is not to be filled, nor memory where the folder lies in it. */
static int
unpack_room(struct unpacking *u)
{
    struct statvfs disk;

    if (u->made_bytes - u->looked_bytes < ROOM_STEP)
        return CKPT_OK;
    u->looked_bytes = u->made_bytes;
    if (u->made_bytes > RATIO_FROM &&
        u->made_bytes / RATIO_MAX > unpack_place(u))
        return unpack_fail(u, CKPT_LIMIT,
                           "it unpacks to more than 1000 times its size");
    if (fstatvfs(u->file, &disk) == 0 &&
        disk.f_bavail < disk.f_blocks / ROOM_PART)
        return unpack_fail(u, CKPT_LIMIT,
                           "what it unpacks to fills the temporary folder");
    if (u->how->cancelled != NULL && u->how->cancelled(u->how->user))
        return unpack_fail(u, CKPT_CANCELLED, "stopped");
    return CKPT_OK;
}

static int
unpack_write(struct unpacking *u)
{
    size_t made = WINDOW_BYTES - u->zlib.avail_out, done = 0;
    ssize_t put;

    while (done < made) {
        put = write(u->file, u->out + done, made - done);
        if (put < 0 && errno != EINTR)
            return hub_fail_errno(u->report, errno,
                                  "cannot write unpacked bytes");
        if (put > 0)
            done += (size_t)put;
    }
    u->made_bytes += made;
    u->zlib.next_out = u->out;
    u->zlib.avail_out = WINDOW_BYTES;
    return unpack_room(u);
}

/* Hands zlib the next bytes, keeping those that it has not taken. */
static int
unpack_fill(struct unpacking *u)
{
    uint64_t left = u->packed->size_bytes - u->read_bytes;
    size_t kept = u->zlib.avail_in, step = WINDOW_BYTES - kept;
    int status;

    if (step > left)
        step = (size_t)left;
    memmove(u->in, u->zlib.next_in, kept);
    status = hub_source_read(u->packed, u->read_bytes, u->in + kept, step);
    u->zlib.next_in = u->in;
    u->zlib.avail_in = (uInt)(kept + step);
    u->read_bytes += step;
    return status;
}

/* What follows a member: another one, padding, or what is no part of it. */
static int
unpack_next_member(struct unpacking *u, bool *done)
{
    uint64_t rest;
    size_t i = 0;
    int status = unpack_fill(u);

    if (status != CKPT_OK)
        return status;
    if (u->zlib.avail_in >= HEADER_BYTES && hub_packed_bytes(u->zlib.next_in))
        return inflateReset(&u->zlib) == Z_OK
                   ? CKPT_OK
                   : unpack_fail(u, CKPT_MEMORY, "no memory for unpacking");
    *done = true;
    while (i < u->zlib.avail_in && u->zlib.next_in[i] == 0)
        i++;
    rest = u->packed->size_bytes - unpack_place(u);
    if (i < u->zlib.avail_in)
        hub_note(u->report, CKPT_MESSAGE_WARNING, NULL, unpack_place(u),
                 "%llu bytes follow the packed ones", (unsigned long long)rest);
    return CKPT_OK;
}

static int
unpack_step(struct unpacking *u, bool *done)
{
    int made, status = CKPT_OK;

    if (u->zlib.avail_in == 0)
        status = unpack_fill(u);
    if (status != CKPT_OK)
        return status;
    if (u->zlib.avail_in == 0)
        return unpack_fail(u, CKPT_FORMAT, "the packed bytes end early");
    made = inflate(&u->zlib, Z_NO_FLUSH);
    if (made == Z_MEM_ERROR)
        return unpack_fail(u, CKPT_MEMORY, "no memory for unpacking");
    if (made != Z_OK && made != Z_STREAM_END && made != Z_BUF_ERROR)
        return unpack_fail(u, CKPT_FORMAT, "the packed bytes are damaged");
    if (u->zlib.avail_out == 0 || made == Z_STREAM_END)
        status = unpack_write(u);
    return status == CKPT_OK && made == Z_STREAM_END
               ? unpack_next_member(u, done)
               : status;
}

static int
unpack_all(struct unpacking *u)
{
    bool done = false;
    int status = CKPT_OK;

    u->zlib.next_in = u->in;
    u->zlib.next_out = u->out;
    u->zlib.avail_out = WINDOW_BYTES;
    if (inflateInit2(&u->zlib, 16 + MAX_WBITS) != Z_OK)
        return unpack_fail(u, CKPT_MEMORY, "no memory for unpacking");
    while (status == CKPT_OK && !done)
        status = unpack_step(u, &done);
    inflateEnd(&u->zlib);
    return status;
}

/* The source's path without ".gz": files beside it are still found there. */
static int
unpack_adopt(const struct unpacking *u, struct ckpt_source **source)
{
    static const char suffix[] = ".gz";
    size_t length = strlen(u->packed->path), cut = sizeof suffix - 1;
    char *path = hub_allocate(u->how->budget, length + 1);
    int status;

    if (path == NULL)
        return u->report->status;
    memcpy(path, u->packed->path, length + 1);
    if (strlen(u->packed->name) > cut &&
        strcmp(path + length - cut, suffix) == 0)
        path[length - cut] = '\0';
    status = hub_source_adopt(u->how->budget, path, u->file, source);
    hub_release(u->how->budget, path);
    return status;
}

int
hub_unpack(const struct hub_unpack *unpack, const struct ckpt_source *packed,
           struct ckpt_source **source)
{
    struct hub_spool spool = {.budget = unpack->budget,
                              .folder = unpack->folder};
    struct unpacking *u = hub_allocate(unpack->budget, sizeof *u);
    int status;

    if (u == NULL)
        return unpack->budget->report->status;
    u->how = unpack;
    u->report = unpack->budget->report;
    u->packed = packed;
    u->file = -1;
    status = hub_spool_file(&spool, &u->file);
    if (status == CKPT_OK)
        status = unpack_all(u);
    if (status == CKPT_OK)
        status = unpack_adopt(u, source);
    if (status != CKPT_OK && u->file >= 0)
        close(u->file);
    hub_release(unpack->budget, u);
    return status;
}
