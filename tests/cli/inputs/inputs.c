/* SPDX-License-Identifier: MIT
 *
 * A format that is the bytes of one tensor behind a magic, which tells and
 * writes what a file that an option names begins with; and transforms beside
 * it. Used by tests/cli/check_inputs.py.
 */
#include "inputs.h"

#include <string.h>

#define MAGIC "INPUTS\n"
#define MAGIC_BYTES 7

static const struct ckpt_option inputs_options[] = {
    {"label", CKPT_OPTION_FILE, NULL, "a file whose text is a label", NULL},
    {"count", CKPT_OPTION_INT, "1", "a number", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL},
};

struct inputs_self {
    const struct ckpt_source *source;
    char label[INPUTS_LABEL_BYTES];
};

int
inputs_label(const struct ckpt_host *host, const struct ckpt_source *source,
             char label[INPUTS_LABEL_BYTES])
{
    size_t size_bytes = (size_t)host->source_size(host, source);

    memset(label, 0, INPUTS_LABEL_BYTES);
    if (size_bytes >= INPUTS_LABEL_BYTES)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "the label in %s is too long",
                          host->source_name(host, source));
    return host->source_read(host, source, 0, label, size_bytes);
}

static int
inputs_probe(const struct ckpt_host *host, const struct ckpt_source *source,
             struct ckpt_evidence *evidence)
{
    struct ckpt_span span;
    int status;

    if (host->source_size(host, source) < MAGIC_BYTES)
        return CKPT_OK;
    status = host->source_peek(host, source, 0, MAGIC_BYTES, &span);
    if (status == CKPT_OK && memcmp(span.data, MAGIC, MAGIC_BYTES) == 0)
        evidence->level = CKPT_EVIDENCE_MAGIC;
    return status;
}

/* A label's file may name another beside it: "@NAME". */
static int
inputs_begin(const struct ckpt_host *host, const struct ckpt_source *source,
             const struct ckpt_option_value *label, void **self)
{
    struct inputs_self *made = host->allocate(host, sizeof *made);
    const struct ckpt_source *beside = label->source;
    int status = CKPT_OK;

    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    if (beside != NULL)
        status = inputs_label(host, beside, made->label);
    if (status == CKPT_OK && made->label[0] == '@') {
        status = host->source_open(host, beside, made->label + 1, &beside);
        if (status == CKPT_OK)
            status = inputs_label(host, beside, made->label);
    }
    if (status == CKPT_OK)
        *self = made;
    else
        host->release(host, made);
    return status;
}

static int
inputs_open(const struct ckpt_host *host, const struct ckpt_source *source,
            const struct ckpt_option_value *options, void **self)
{
    return inputs_begin(host, source, &options[0], self);
}

static int
inputs_describe(const struct ckpt_host *host, void *self,
                struct ckpt_graph *graph)
{
    const struct inputs_self *inputs = self;
    struct ckpt_storage storage = {.place = CKPT_PLACE_SPAN,
                                   .source = inputs->source,
                                   .source_offset = MAGIC_BYTES};
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *root, *key, *value;
    struct ckpt_tensor tensor = {.dtype = CKPT_UINT8, .rank = 1};
    uint64_t count = host->source_size(host, inputs->source) - MAGIC_BYTES;
    int status = host->value_new(host, graph, &like, sizeof like, &root);

    storage.size_bytes = count;
    tensor.shape = &count;
    like.kind = CKPT_KIND_STRING;
    like.as.text.data = inputs->label[0] != '\0' ? inputs->label : "bytes";
    like.as.text.size_bytes = strlen(like.as.text.data);
    if (status == CKPT_OK)
        status = host->storage_new(host, graph, &storage, sizeof storage,
                                   &tensor.storage);
    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &key);
    if (status == CKPT_OK)
        status =
            host->tensor_new(host, graph, &tensor, sizeof tensor, NULL, &value);
    if (status == CKPT_OK)
        status = host->map_set(host, graph, root, key, value);
    return status == CKPT_OK ? host->root_set(host, graph, root) : status;
}

static void
inputs_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

static int
inputs_write(const struct ckpt_host *host,
             const struct ckpt_option_value *options, void **self)
{
    return inputs_begin(host, NULL, &options[0], self);
}

static int
inputs_plan(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    const struct inputs_self *inputs = self;
    struct ckpt_segment segment = {
        .kind = CKPT_SEGMENT_BYTES, .size_bytes = MAGIC_BYTES, .data = MAGIC};
    int status = host->plan_add(host, plan, &segment, sizeof segment, NULL);
    size_t i;

    segment.size_bytes = strlen(inputs->label);
    segment.data = inputs->label;
    if (status == CKPT_OK && inputs->label[0] != '\0')
        status = host->plan_add(host, plan, &segment, sizeof segment, NULL);
    segment.kind = CKPT_SEGMENT_TENSOR;
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        segment.tensor = graph->entries[i].value->as.tensor;
        status = host->plan_add(host, plan, &segment, sizeof segment, NULL);
    }
    return status;
}

static const char *const inputs_suffixes[] = {".inputs", NULL};
static const struct ckpt_magic inputs_magics[] = {{0, MAGIC, MAGIC_BYTES},
                                                  {0, NULL, 0}};

static const struct ckpt_reader inputs_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "inputs",
    .summary = "bytes behind a magic",
    .suffixes = inputs_suffixes,
    .magics = inputs_magics,
    .options = inputs_options,
    .probe = inputs_probe,
    .open = inputs_open,
    .describe = inputs_describe,
    .close = inputs_close,
};

static const struct ckpt_writer inputs_writer = {
    .size = sizeof(struct ckpt_writer),
    .id = "inputs",
    .summary = "a magic, a label and all bytes",
    .suffixes = inputs_suffixes,
    .options = inputs_options,
    .limits = {.dtypes = CKPT_DTYPE_BIT(CKPT_DTYPE_COUNT) - 2},
    .open = inputs_write,
    .plan = inputs_plan,
    .close = inputs_close,
};

static const struct ckpt_reader *const inputs_readers[] = {&inputs_reader,
                                                           NULL};
static const struct ckpt_writer *const inputs_writers[] = {&inputs_writer,
                                                           NULL};
static const struct ckpt_transform *const inputs_transforms[] = {
    &inputs_named, &inputs_xor,   &inputs_xor_bare,
    &inputs_turn,  &inputs_graft, NULL};

CKPT_PLUGIN(inputs) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "inputs",
    .version = "0.1.0",
    .summary = "options that are files, for tests",
    .readers = inputs_readers,
    .writers = inputs_writers,
    .transforms = inputs_transforms,
};
