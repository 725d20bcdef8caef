/* SPDX-License-Identifier: MIT
 *
 * Plain pickles of tensors or arrays: the callbacks of the reader, and the
 * tables. The pickle is read by the support code from an outline, so that
 * its payload stays in the file.
 */
#include "ckpt/plugin.h"

#include <stdio.h>
#include <string.h>

#include "pickle_outline.h"
#include "pickle_text.h"
#include "torch_read.h"

#define HEAD_BYTES 32

struct pickle {
    const struct ckpt_source *source;
    struct pickle_text *texts; /* by cursor key */
    size_t text_count, text_capacity;
};

/* ---- Detection ---- */

/* Protocols 0 and 1 have no magic. These are the beginnings of dicts, lists
 * and OrderedDicts in them. */
static const struct ckpt_magic magics[] = {{0, "\x80\2", 2},
                                           {0, "\x80\3", 2},
                                           {0, "\x80\4", 2},
                                           {0, "\x80\5", 2},
                                           {0, "(dp", 3},
                                           {0, "(lp", 3},
                                           {0, "}q", 2},
                                           {0, "]q", 2},
                                           {0, "ccollections\n", 13},
                                           {0, "cnumpy", 6},
                                           {0, "c__builtin__\n", 13},
                                           {0, NULL, 0}};

/* Whether the pickle is that of the number by which a stream of torch.save
 * begins. */
static bool
is_stream(const struct ckpt_span *head)
{
    static const unsigned char number[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                           0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    size_t at = head->size_bytes > 11 && head->data[2] == 0x95 ? 11 : 2;

    return head->size_bytes >= at + sizeof number &&
           memcmp(head->data + at, number, sizeof number) == 0;
}

static int
pickle_probe(const struct ckpt_host *host, const struct ckpt_source *source,
             struct ckpt_evidence *evidence)
{
    uint64_t size = host->source_size(host, source);
    struct ckpt_span head;
    unsigned char last = 0;
    int status;

    if (size < 2)
        return CKPT_OK;
    status = host->source_read(host, source, size - 1, &last, 1);
    if (status == CKPT_OK)
        status = host->source_peek(
            host, source, 0, size < HEAD_BYTES ? (size_t)size : HEAD_BYTES,
            &head);
    if (status != CKPT_OK)
        return status;
    if (head.size_bytes > HEAD_BYTES)
        head.size_bytes = HEAD_BYTES;
    if (head.data[0] == 0x80 && is_stream(&head)) {
        snprintf(evidence->how, sizeof evidence->how, "stream of torch.save");
    } else if (head.data[0] == 0x80) {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how, "pickle of protocol %u",
                 head.data[1]);
    } else if (last == '.') {
        evidence->level = CKPT_EVIDENCE_MAGIC;
        snprintf(evidence->how, sizeof evidence->how,
                 "pickle of protocol 0 or 1");
    } else {
        snprintf(evidence->how, sizeof evidence->how, "no pickle");
    }
    return CKPT_OK;
}

/* ---- Reading ---- */

static int
pickle_open(const struct ckpt_host *host, const struct ckpt_source *source,
            const struct ckpt_option_value *options, void **self)
{
    struct pickle *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static void
pickle_close(const struct ckpt_host *host, void *self)
{
    host->release(host, ((struct pickle *)self)->texts);
    host->release(host, self);
}

static int
pickle_find(const struct ckpt_host *host, void *user,
            const struct sdk_torch_storage *storage, struct ckpt_storage *like)
{
    (void)user;
    (void)like;
    return host->fail(host, CKPT_UNSUPPORTED, storage->tensor, storage->byte,
                      "a storage that is not in the pickle");
}

static int
pickle_add_text(const struct ckpt_host *host, void *user, uint64_t offset,
                uint64_t text_bytes, uint64_t skip, struct ckpt_storage *like)
{
    struct pickle *pickle = user;
    size_t capacity = pickle->text_capacity * 2 + 16;
    struct pickle_text *texts = pickle->texts;

    if (pickle->text_count == pickle->text_capacity) {
        texts = host->reallocate(host, texts, capacity * sizeof *texts);
        if (texts == NULL)
            return CKPT_MEMORY;
        pickle->texts = texts;
        pickle->text_capacity = capacity;
    }
    like->cursor_key = pickle->text_count;
    texts += pickle->text_count++;
    texts->offset = offset;
    texts->text_bytes = text_bytes;
    texts->skip = skip;
    return CKPT_OK;
}

/* joblib puts the bytes of arrays between the opcodes. */
static int
check_joblib(const struct ckpt_host *host,
             const struct sdk_pickle_outline *outline)
{
    static const char name[] = "NumpyArrayWrapper";
    const unsigned char *at = outline->data.data;
    size_t left = outline->data.size_bytes;

    while (left >= sizeof name - 1) {
        const unsigned char *found =
            memchr(at, 'N', left - (sizeof name - 1) + 1);

        if (found == NULL)
            break;
        if (memcmp(found, name, sizeof name - 1) == 0)
            return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                              "arrays of joblib, which stand between the "
                              "opcodes of the pickle");
        left -= (size_t)(found + 1 - at);
        at = found + 1;
    }
    return CKPT_OK;
}

static int
read_values(const struct ckpt_host *host, struct pickle *pickle,
            const struct sdk_pickle_outline *outline, struct ckpt_graph *graph)
{
    uint64_t size = host->source_size(host, pickle->source);
    struct sdk_pickled_input input = {
        .data = outline->data.data,
        .size_bytes = outline->data.size_bytes,
        .gaps = outline->gaps,
        .gap_count = outline->gap_count,
        .outlined = true,
    };
    struct sdk_torch_source source = {
        .find = pickle_find,
        .user = pickle,
        .file = pickle->source,
        .text = pickle_add_text,
        .arrays_are_tensors = true,
    };
    struct sdk_pickled pickled = {0};
    const struct ckpt_value *root;
    int status = sdk_pickled_parse(host, &input, &pickled);

    if (status == CKPT_OK && outline->end < size)
        host->warn(host, NULL, outline->end, "%llu bytes follow the pickle",
                   (unsigned long long)(size - outline->end));
    if (status == CKPT_OK)
        status = sdk_torch_read(host, graph, &pickled, &source, &root);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, root);
    sdk_pickled_fini(host, &pickled);
    return status;
}

static int
pickle_describe(const struct ckpt_host *host, void *self,
                struct ckpt_graph *graph)
{
    struct pickle *pickle = self;
    struct sdk_pickle_outline outline = {0};
    int status = sdk_pickle_outline_read(
        host, pickle->source, 0, host->source_size(host, pickle->source),
        &outline);

    if (status == CKPT_OK)
        status = check_joblib(host, &outline);
    if (status == CKPT_OK)
        status = read_values(host, pickle, &outline, graph);
    sdk_pickle_outline_fini(host, &outline);
    return status;
}

/* ---- Bytes that are text ---- */

static int
pickle_text_open(const struct ckpt_host *host, void *self,
                 const struct ckpt_storage *storage, void **cursor)
{
    struct pickle *pickle = self;
    struct pickle_cursor *made;
    int status = pickle_cursor_open(host, pickle->source,
                                    &pickle->texts[storage->cursor_key],
                                    storage->size_bytes, &made);

    if (status == CKPT_OK)
        *cursor = made;
    return status;
}

static int
pickle_text_next(const struct ckpt_host *host, void *cursor,
                 struct ckpt_span *span)
{
    return pickle_cursor_next(host, cursor, span);
}

static void
pickle_text_close(const struct ckpt_host *host, void *cursor)
{
    pickle_cursor_close(host, cursor);
}

/* ---- Tables ---- */

static const char *const suffixes[] = {".pkl", ".pickle", ".pdparams", ".pdopt",
                                       NULL};

static const struct ckpt_reader pickle_reader = {
    .size = sizeof pickle_reader,
    .id = "pickle",
    .summary = "plain pickle of tensors or arrays (Paddle's .pdparams too)",
    .suffixes = suffixes,
    .magics = magics,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = pickle_probe,
    .open = pickle_open,
    .describe = pickle_describe,
    .close = pickle_close,
    .cursor_open = pickle_text_open,
    .cursor_next = pickle_text_next,
    .cursor_close = pickle_text_close,
};

static const struct ckpt_reader *const readers[] = {&pickle_reader, NULL};

CKPT_PLUGIN(pickle) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "pickle",
    .version = "0.1.0",
    .summary = "Plain pickles of tensors and arrays",
    .readers = readers,
};
