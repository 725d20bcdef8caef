/* SPDX-License-Identifier: MIT
 *
 * From a storage or a tensor to runs of bytes. What decodes only from start
 * to end, but is wanted from elsewhere, goes through a spool file first.
 */
#include "hub/io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_BYTES ((size_t)64 << 10)

static const unsigned char zeros[ZERO_BYTES];

static const struct hub_storage *
stream_private(const struct ckpt_storage *storage)
{
    return (const struct hub_storage *)storage;
}

void
hub_stream_storage(struct hub_stream *stream, struct hub_spool *spool,
                   const struct ckpt_storage *storage)
{
    memset(stream, 0, sizeof *stream);
    stream->spool = spool;
    stream->storage = stream_private(storage);
    stream->end = storage->size_bytes;
}

void
hub_stream_source(struct hub_stream *stream, struct hub_spool *spool,
                  const struct ckpt_source *source, uint64_t offset,
                  uint64_t size_bytes)
{
    memset(stream, 0, sizeof *stream);
    stream->spool = spool;
    stream->run.source = source;
    stream->run.offset = offset;
    stream->run.size_bytes = size_bytes;
    stream->run.swap_bytes = 1;
}

static bool
storage_is_whole(const struct ckpt_tensor *tensor)
{
    return tensor->offset == 0 &&
           tensor->size_bytes == tensor->storage->size_bytes;
}

int
hub_spool_file(struct hub_spool *spool, int *file)
{
    char *path;
    int made = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (made < 0) {
        path = hub_path_join(spool->budget, spool->folder,
                             strlen(spool->folder), ".ckpt-spool.XXXXXX");
        if (path == NULL)
            return spool->budget->report->status;
        made = mkostemp(path, O_CLOEXEC);
        if (made >= 0)
            unlink(path);
        hub_release(spool->budget, path);
    }
    if (made < 0)
        return hub_fail_errno(spool->budget->report, errno,
                              "cannot create a file for decoded bytes");
    *file = made;
    return CKPT_OK;
}

static int
spool_write(struct hub_spool *spool, int file, const unsigned char *data,
            uint64_t size_bytes)
{
    ssize_t put;

    while (size_bytes > 0) {
        put = write(file, data, (size_t)size_bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return hub_fail_errno(spool->budget->report, errno,
                                  "cannot write decoded bytes");
        data += put;
        size_bytes -= (uint64_t)put;
    }
    return CKPT_OK;
}

static int
spool_fill(struct hub_spool *spool, const struct ckpt_storage *storage,
           int file)
{
    unsigned char buffer[16 << 10];
    struct hub_stream stream;
    size_t filled;
    int status;

    hub_stream_storage(&stream, spool, storage);
    while ((status = hub_stream_fill(&stream, buffer, sizeof buffer,
                                     &filled)) == CKPT_OK) {
        status = spool_write(spool, file, buffer, filled);
        if (status != CKPT_OK)
            break;
    }
    hub_stream_fini(&stream);
    return status == CKPT_END ? CKPT_OK : status;
}

/* The storage's bytes as a source of their own, decoded and little-endian. */
static int
spool_storage(struct hub_spool *spool, const struct ckpt_storage *storage)
{
    /* The spool is a cache: filling it leaves the storage what it was. */
    struct hub_storage *cache = (struct hub_storage *)(uintptr_t)storage;
    struct ckpt_source *source;
    int status, file = -1;

    if (cache->spool != NULL)
        return CKPT_OK;
    status = hub_spool_file(spool, &file);
    if (status == CKPT_OK)
        status = spool_fill(spool, storage, file);
    if (status == CKPT_OK)
        status =
            hub_source_adopt(spool->budget, "decoded bytes", file, &source);
    if (status != CKPT_OK) {
        if (file >= 0)
            close(file);
        return status;
    }
    source->next = spool->sources;
    spool->sources = source;
    cache->spool = source;
    return CKPT_OK;
}

void
hub_spool_fini(struct hub_spool *spool)
{
    struct ckpt_source *source = spool->sources, *next;

    for (; source != NULL; source = next) {
        next = source->next;
        hub_source_free(source);
    }
    spool->sources = NULL;
}

/* Those that gather at the same time share the memory for it: each gets half
 * of what the one before it got. */
static size_t
gather_room(const struct hub_spool *spool)
{
    size_t room = HUB_BOX_BYTES;
    unsigned i;

    for (i = 0; i < spool->gather_count && room > HUB_WINDOW_BYTES; i++)
        room /= 2;
    return room;
}

static int
stream_gather(struct hub_stream *stream, const struct ckpt_tensor *tensor)
{
    const struct hub_storage *storage = stream->storage;
    const struct ckpt_source *source = storage->public.source;
    uint64_t offset = storage->public.source_offset;
    int status;

    if (storage->spool != NULL) {
        source = storage->spool;
        offset = 0;
    }
    status = hub_gather_new(
        stream->spool->budget, gather_room(stream->spool), tensor, source,
        offset,
        storage->public.place == CKPT_PLACE_OWNED ? storage->public.data : NULL,
        &stream->gather);
    stream->spool->gather_count += status == CKPT_OK;
    return status;
}

int
hub_stream_tensor(struct hub_stream *stream, struct hub_spool *spool,
                  const struct ckpt_tensor *tensor)
{
    const struct ckpt_storage *storage = tensor->storage;
    uint64_t first_bit = tensor->offset * ckpt_dtype_width_bits(tensor->dtype);
    bool in_order =
        storage->place == CKPT_PLACE_CODED || storage->place == CKPT_PLACE_MADE;
    bool run = tensor->contiguous && first_bit % 8 == 0;
    int status = CKPT_OK;

    hub_stream_storage(stream, spool, storage);
    stream->flips = tensor->flips;
    stream->flip_word = ckpt_dtype_word_bytes(tensor->dtype);
    if (storage->place == CKPT_PLACE_ABSENT || tensor->element_count == 0) {
        stream->end = 0;
        return CKPT_OK;
    }
    if (storage->byte_order == CKPT_BIG_ENDIAN &&
        first_bit % (8 * (uint64_t)storage->word_bytes) != 0)
        return hub_fail(spool->budget->report, CKPT_UNSUPPORTED, NULL,
                        CKPT_NOWHERE,
                        "a view that begins within a word of a big-endian "
                        "storage");
    if (in_order && !(run && storage_is_whole(tensor)))
        status = spool_storage(spool, storage);
    if (status == CKPT_OK && !run)
        return stream_gather(stream, tensor);
    stream->at = first_bit / 8;
    stream->end = stream->at + tensor->size_bytes;
    return status;
}

static int
stream_bytes(struct hub_stream *stream, const unsigned char *data,
             uint64_t size_bytes, struct hub_run *run)
{
    run->source = NULL;
    run->data = data;
    run->size_bytes = size_bytes;
    stream->at += size_bytes;
    return CKPT_OK;
}

static int
stream_file(struct hub_stream *stream, const struct ckpt_source *source,
            uint64_t offset, struct hub_run *run)
{
    run->source = source;
    run->offset = offset + stream->at;
    run->size_bytes = stream->end - stream->at;
    stream->at = stream->end;
    return CKPT_OK;
}

/* The next span of the cursor, which is opened if need be. What fails in it
 * is about the storage's tensor. */
static int
stream_cursor_next(struct hub_stream *stream, struct ckpt_span *span)
{
    const struct hub_storage *storage = stream->storage;
    struct hub_report *report = stream->spool->budget->report;
    struct hub_coder *coder = storage->from.coder;
    const char *tensor = report->tensor;
    int status = CKPT_OK;

    report->tensor = storage->name;
    if (stream->cursor == NULL)
        status = coder->open(coder, &storage->public, &stream->cursor);
    if (status == CKPT_OK)
        status = coder->next(coder, stream->cursor, span);
    report->tensor = tensor;
    return status;
}

/* Bytes that do not add up are a file's fault, or a plugin's. */
static int
stream_wrong(const struct hub_stream *stream)
{
    int wrong = stream->storage->from.coder->wrong;

    return wrong != 0 ? wrong : CKPT_FORMAT;
}

/* After the last byte that the storage has: the cursor must end here too. */
static int
stream_coded_end(struct hub_stream *stream)
{
    struct ckpt_span span;
    int status = stream_cursor_next(stream, &span);

    if (status != CKPT_OK)
        return status;
    return hub_fail(stream->spool->budget->report, stream_wrong(stream),
                    stream->storage->name, CKPT_NOWHERE,
                    "a storage decodes to more than its %llu bytes",
                    (unsigned long long)stream->storage->public.size_bytes);
}

static int
stream_coded(struct hub_stream *stream, struct hub_run *run)
{
    struct hub_report *report = stream->spool->budget->report;
    const struct ckpt_storage *storage = &stream->storage->public;
    const char *name = stream->storage->name;
    struct ckpt_span span;
    int status = stream_cursor_next(stream, &span);

    if (status == CKPT_END ||
        (status == CKPT_OK && span.size_bytes > stream->end - stream->at))
        return hub_fail(report, stream_wrong(stream), name, CKPT_NOWHERE,
                        "a storage decodes to %s than its %llu bytes",
                        status == CKPT_END ? "less" : "more",
                        (unsigned long long)storage->size_bytes);
    if (status != CKPT_OK)
        return status;
    if (span.size_bytes == 0 || span.size_bytes % storage->word_bytes != 0)
        return hub_fail(report, CKPT_CONTRACT, name, CKPT_NOWHERE,
                        "a cursor gave %zu bytes, not whole words",
                        span.size_bytes);
    return stream_bytes(stream, span.data, span.size_bytes, run);
}

static int
stream_zeros(struct hub_stream *stream, uint64_t size_bytes,
             struct hub_run *run)
{
    if (size_bytes > ZERO_BYTES)
        size_bytes = ZERO_BYTES;
    return stream_bytes(stream, zeros, size_bytes, run);
}

static void
stream_inner_end(struct hub_stream *stream)
{
    if (stream->inner != NULL)
        hub_stream_fini(stream->inner);
    hub_release(stream->spool->budget, stream->inner);
    stream->inner = NULL;
}

static int
stream_inner_begin(struct hub_stream *stream, const struct ckpt_tensor *view)
{
    stream->inner = hub_allocate(stream->spool->budget, sizeof *stream->inner);
    if (stream->inner == NULL)
        return stream->spool->budget->report->status;
    return hub_stream_tensor(stream->inner, stream->spool, view);
}

static int stream_next(struct hub_stream *stream, struct hub_run *run);

static int
stream_made(struct hub_stream *stream, struct hub_run *run)
{
    const struct hub_storage *storage = stream->storage;
    const struct hub_piece *piece;
    int status = CKPT_OK;

    for (;;) {
        if (stream->inner != NULL) {
            status = stream_next(stream->inner, run);
            if (status == CKPT_OK)
                stream->at += run->size_bytes;
            if (status != CKPT_END)
                return status;
            stream_inner_end(stream);
        }
        if (stream->piece == storage->from.pieces->count)
            return stream_zeros(stream, stream->end - stream->at, run);
        piece = &storage->from.pieces->first[stream->piece];
        if (stream->at < piece->offset_bytes)
            return stream_zeros(stream, piece->offset_bytes - stream->at, run);
        stream->piece++;
        status = stream_inner_begin(stream, piece->view);
        if (status != CKPT_OK)
            return status;
    }
}

static int
stream_next(struct hub_stream *stream, struct hub_run *run)
{
    const struct ckpt_storage *storage = &stream->storage->public;
    struct ckpt_span span;
    int status;

    run->swap_bytes = 1;
    if (storage->byte_order == CKPT_BIG_ENDIAN &&
        stream->storage->spool == NULL)
        run->swap_bytes = storage->word_bytes;
    if (stream->gather != NULL) {
        status = hub_gather_next(stream->gather, &span);
        return status == CKPT_OK
                   ? stream_bytes(stream, span.data, span.size_bytes, run)
                   : status;
    }
    if (stream->at == stream->end)
        return stream->cursor != NULL ? stream_coded_end(stream) : CKPT_END;
    if (stream->storage->spool != NULL)
        return stream_file(stream, stream->storage->spool, 0, run);
    switch (storage->place) {
    case CKPT_PLACE_SPAN:
        return stream_file(stream, storage->source, storage->source_offset,
                           run);
    case CKPT_PLACE_OWNED:
        return stream_bytes(stream,
                            (const unsigned char *)storage->data + stream->at,
                            stream->end - stream->at, run);
    case CKPT_PLACE_CODED:
        return stream_coded(stream, run);
    default:
        return stream_made(stream, run);
    }
}

void
hub_stream_fini(struct hub_stream *stream)
{
    if (stream->spool == NULL)
        return;
    if (stream->cursor != NULL)
        stream->storage->from.coder->close(stream->storage->from.coder,
                                           stream->cursor);
    stream->spool->gather_count -= stream->gather != NULL;
    hub_gather_free(stream->gather);
    stream_inner_end(stream);
    stream->cursor = NULL;
    stream->gather = NULL;
}

int
hub_stream_run(struct hub_stream *stream, const struct hub_run **run)
{
    int status = CKPT_OK;

    if (stream->run.size_bytes == 0)
        status = stream->storage != NULL ? stream_next(stream, &stream->run)
                                         : CKPT_END;
    if (status == CKPT_OK)
        *run = &stream->run;
    return status;
}

void
hub_stream_take(struct hub_stream *stream, uint64_t size_bytes)
{
    stream->run.size_bytes -= size_bytes;
    stream->run.offset += size_bytes;
    if (stream->run.source == NULL)
        stream->run.data += size_bytes;
}

static void
swap_words(unsigned char *bytes, size_t size_bytes, uint32_t word_bytes)
{
    size_t i, k;
    unsigned char byte;

    for (i = 0; i + word_bytes <= size_bytes; i += word_bytes) {
        for (k = 0; k < word_bytes / 2; k++) {
            byte = bytes[i + k];
            bytes[i + k] = bytes[i + word_bytes - 1 - k];
            bytes[i + word_bytes - 1 - k] = byte;
        }
    }
}

/* Turns the signs of the next bytes of a tensor, which are little-endian by
 * now. An element is one word, or two if it has an imaginary part. */
static void
flip_signs(struct hub_stream *stream, unsigned char *bytes, size_t size_bytes)
{
    uint32_t word = stream->flip_word, at = stream->flip_at;
    bool negative = (stream->flips & CKPT_FLIP_NEGATIVE) != 0;
    bool conjugate = (stream->flips & CKPT_FLIP_CONJUGATE) != 0;
    size_t i;

    for (i = 0; i < size_bytes; i++) {
        if (at % word == word - 1 && negative != (conjugate && at >= word))
            bytes[i] ^= 0x80;
        at = (at + 1) % (2 * word);
    }
    stream->flip_at = at;
}

/* Runs are whole words, so a buffer that is filled by whole words never cuts
 * one. */
int
hub_stream_fill(struct hub_stream *stream, unsigned char *buffer,
                size_t capacity_bytes, size_t *filled_bytes)
{
    const struct hub_run *run;
    size_t step, done = 0;
    uint32_t word;
    int status = CKPT_OK;

    while (capacity_bytes - done >= 8) {
        status = hub_stream_run(stream, &run);
        if (status != CKPT_OK)
            break;
        word = run->swap_bytes;
        step = capacity_bytes - done;
        if (step > run->size_bytes)
            step = (size_t)run->size_bytes;
        else
            step -= step % word;
        if (run->source == NULL)
            memcpy(buffer + done, run->data, step);
        else
            status =
                hub_source_read(run->source, run->offset, buffer + done, step);
        if (status != CKPT_OK)
            break;
        if (word > 1)
            swap_words(buffer + done, step, word);
        if (stream->flips != 0)
            flip_signs(stream, buffer + done, step);
        hub_stream_take(stream, step);
        done += step;
    }
    *filled_bytes = done;
    return status == CKPT_END && done > 0 ? CKPT_OK : status;
}

int
hub_stream_read(struct hub_stream *stream, unsigned char *buffer,
                uint64_t size_bytes)
{
    struct hub_report *report = stream->spool->budget->report;
    unsigned char window[64];
    uint64_t done = 0;
    size_t room, filled = 0;
    int status;

    do {
        done += filled;
        room = (size_t)(size_bytes - done) & ~(size_t)15;
        if (room > 0) {
            status = hub_stream_fill(stream, buffer + done, room, &filled);
            continue;
        }
        status = hub_stream_fill(stream, window, sizeof window, &filled);
        if (status == CKPT_OK && filled > size_bytes - done)
            return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                            "a tensor has more bytes than it should");
        if (status == CKPT_OK)
            memcpy(buffer + done, window, filled);
    } while (status == CKPT_OK);
    if (status == CKPT_END && done != size_bytes)
        return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a tensor has fewer bytes than it should");
    return status == CKPT_END ? CKPT_OK : status;
}
