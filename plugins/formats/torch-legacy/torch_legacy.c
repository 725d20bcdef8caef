/* SPDX-License-Identifier: MIT
 *
 * The legacy stream of torch.save: the callbacks of the reader, and the
 * tables. The object is read by the support code; here its storages meet
 * their places in the file. The writer is in torch_legacy_plan.c.
 */
#include "ckpt/plugin.h"

#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "torch_legacy_parse.h"
#include "torch_legacy_plan.h"

struct torch_legacy {
    const struct ckpt_source *source;
    struct torch_legacy_pickle object;
    struct torch_legacy_places places;
};

static const char *const suffixes[] = {".pt",   ".pth", ".th",  ".bin",
                                       ".ckpt", ".pkl", ".tar", NULL};

/* The first pickle: protocols 2 to 5, and 0 or 1. The hub looks for all but its
 * last REST bytes, so that a stump comes to us too. */
#define NUMBER "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define FRAME "\x95\x0d\0\0\0\0\0\0\0"
#define REST ((size_t)9)

static const struct ckpt_magic magics[] = {
    {0, "\x80\x02" NUMBER, 15 - REST},
    {0, "\x80\x03" NUMBER, 15 - REST},
    {0, "\x80\x04" FRAME NUMBER, 24 - REST},
    {0, "\x80\x05" FRAME NUMBER, 24 - REST},
    {0, "L119547037146038801333356L\n.", 28 - REST},
    {0, NULL, 0}};

static bool
has_magic(const struct ckpt_magic *magic, const struct ckpt_span *span)
{
    size_t size_bytes = magic->size_bytes + REST;

    return span->size_bytes >= size_bytes &&
           memcmp(span->data, magic->bytes, size_bytes) == 0;
}

static int
torch_legacy_probe(const struct ckpt_host *host,
                   const struct ckpt_source *source,
                   struct ckpt_evidence *evidence)
{
    uint64_t size_bytes = host->source_size(host, source);
    const struct ckpt_magic *magic = magics;
    struct ckpt_span span;
    int status = host->source_peek(
        host, source, 0, size_bytes < 32 ? (size_t)size_bytes : 32, &span);

    if (status != CKPT_OK)
        return status;
    while (magic->bytes != NULL && !has_magic(magic, &span))
        magic++;
    if (magic->bytes == NULL)
        return CKPT_OK;
    evidence->level = CKPT_EVIDENCE_STRUCTURE;
    snprintf(evidence->how, sizeof evidence->how,
             "the number of the legacy stream");
    return CKPT_OK;
}

static int
torch_legacy_open(const struct ckpt_host *host,
                  const struct ckpt_source *source,
                  const struct ckpt_option_value *options, void **self)
{
    struct torch_legacy *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static void
torch_legacy_close(const struct ckpt_host *host, void *self)
{
    struct torch_legacy *legacy = self;

    torch_legacy_free(host, &legacy->object);
    host->release(host, legacy->places.offsets);
    host->release(host, legacy);
}

/* ---- Attributes of the graph ---- */

static int
set_attribute(const struct ckpt_host *host, struct ckpt_graph *graph,
              const struct ckpt_text *name, const struct ckpt_text *text)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *value;
    struct sdk_buffer copy = {0};
    int status = sdk_buffer_append(host, &copy, name->data, name->size_bytes);

    like.as.text = *text;
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &copy, "", 1);
    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &value);
    if (status == CKPT_OK)
        status =
            host->attr_set(host, graph, NULL, (const char *)copy.data, value);
    sdk_buffer_fini(host, &copy);
    return status;
}

static bool
is_plain_text(const struct sdk_pickled *pickled, uint32_t ref)
{
    return sdk_pickled_kind(pickled, ref) == SDK_PICKLED_TEXT;
}

static int
set_attributes(const struct ckpt_host *host, struct ckpt_graph *graph,
               const struct torch_legacy_pickle *system, uint32_t dict)
{
    const struct sdk_pickled *pickled = &system->pickled;
    uint64_t byte = system->origin + sdk_pickled_at(pickled, dict)->byte;
    struct sdk_pickled_list pairs;
    struct ckpt_text name, text;
    uint32_t i;
    int status = CKPT_OK;

    if (sdk_pickled_kind(pickled, dict) != SDK_PICKLED_DICT)
        return host->fail(host, CKPT_FORMAT, NULL, byte,
                          "'%s' is no dict of texts", TORCH_LEGACY_ATTRIBUTES);
    pairs = sdk_pickled_list(pickled, dict);
    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2) {
        if (!is_plain_text(pickled, pairs.refs[i]) ||
            !is_plain_text(pickled, pairs.refs[i + 1]))
            return host->fail(host, CKPT_FORMAT, NULL, byte,
                              "'%s' is no dict of texts",
                              TORCH_LEGACY_ATTRIBUTES);
        name = sdk_pickled_text(pickled, pairs.refs[i]);
        text = sdk_pickled_text(pickled, pairs.refs[i + 1]);
        if (memchr(name.data, '\0', name.size_bytes) != NULL)
            return host->fail(host, CKPT_FORMAT, NULL, byte,
                              "a zero byte in a name of '%s'",
                              TORCH_LEGACY_ATTRIBUTES);
        status = set_attribute(host, graph, &name, &text);
    }
    return status;
}

/* Reads what is said of the host; torch takes anything there. */
static int
read_system(const struct ckpt_host *host, const struct ckpt_source *source,
            struct ckpt_graph *graph, uint64_t *offset)
{
    struct torch_legacy_pickle system = {0};
    const struct sdk_pickled *pickled = &system.pickled;
    struct sdk_pickled_list pairs = {NULL, 0};
    uint32_t i;
    int status = torch_legacy_load(host, source, *offset, &system);

    if (status == CKPT_OK &&
        sdk_pickled_kind(pickled, pickled->root) == SDK_PICKLED_DICT)
        pairs = sdk_pickled_list(pickled, pickled->root);
    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2)
        if (sdk_pickled_is_text(pickled, pairs.refs[i],
                                TORCH_LEGACY_ATTRIBUTES))
            status = set_attributes(host, graph, &system, pairs.refs[i + 1]);
    if (status == CKPT_OK)
        *offset = system.end;
    torch_legacy_free(host, &system);
    return status;
}

/* ---- The object ---- */

static int
torch_legacy_meet(const struct ckpt_host *host, void *user,
                  const struct sdk_torch_storage *storages, size_t count)
{
    struct torch_legacy *legacy = user;

    return torch_legacy_locate(host, legacy->source, legacy->object.end,
                               storages, count, &legacy->places);
}

static int
torch_legacy_find(const struct ckpt_host *host, void *user,
                  const struct sdk_torch_storage *storage,
                  struct ckpt_storage *like)
{
    struct torch_legacy *legacy = user;

    (void)host;
    like->place = CKPT_PLACE_SPAN;
    like->source = legacy->source;
    like->source_offset = legacy->places.offsets[storage->index];
    like->byte_order = CKPT_LITTLE_ENDIAN;
    return CKPT_OK;
}

static int
torch_legacy_describe(const struct ckpt_host *host, void *self,
                      struct ckpt_graph *graph)
{
    struct torch_legacy *legacy = self;
    struct sdk_torch_source source = {.find = torch_legacy_find,
                                      .user = legacy,
                                      .ids = SDK_TORCH_IDS_LEGACY,
                                      .meet = torch_legacy_meet};
    const struct ckpt_value *root;
    uint64_t offset = 0;
    int status = torch_legacy_check_head(host, legacy->source, &offset);

    if (status == CKPT_OK)
        status = read_system(host, legacy->source, graph, &offset);
    if (status == CKPT_OK)
        status =
            torch_legacy_load(host, legacy->source, offset, &legacy->object);
    source.origin = offset;
    if (status == CKPT_OK)
        status = sdk_torch_read(host, graph, &legacy->object.pickled, &source,
                                &root);
    return status == CKPT_OK ? host->root_set(host, graph, root) : status;
}

/* ---- Tables ---- */

static const struct ckpt_reader torch_legacy_reader = {
    .size = sizeof torch_legacy_reader,
    .id = "torch-legacy",
    .summary = "PyTorch checkpoint, legacy stream (torch.save before 1.6)",
    .suffixes = suffixes,
    .magics = magics,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = torch_legacy_probe,
    .open = torch_legacy_open,
    .describe = torch_legacy_describe,
    .close = torch_legacy_close,
};

static const struct ckpt_reader *const readers[] = {&torch_legacy_reader, NULL};
static const struct ckpt_writer *const writers[] = {&torch_legacy_writer, NULL};

CKPT_PLUGIN(torch_legacy) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "torch-legacy",
    .version = "0.1.0",
    .summary = "PyTorch checkpoints in the legacy stream of torch.save",
    .readers = readers,
    .writers = writers,
};
