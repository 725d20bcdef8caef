/* SPDX-License-Identifier: MIT
 *
 * The writers: their options and tables. They differ in the layout of names.
 */
#include <stdlib.h>
#include <string.h>

#include "hdf5_holds.h"
#include "hdf5_library.h"
#include "hdf5_texts.h"
#include "hdf5_writers.h"

struct hdf5_writer {
    const struct hdf5_library *library; /* once a plan is made */
    enum hdf5_layout layout;
    int gzip_level;
    struct hdf5_names names; /* of the graph as it was read, once asked for */
    bool asked;
    struct hdf5_texts texts;
    struct sdk_table counts; /* of paths: how many attributes they have */
    bool counted;
};

/* libhdf5 looks through all attributes of an object for each new one; of more
 * than this only lists are kept, which Keras needs. */
#define ATTRS_MAX 1000

/* `gzip`, or `gzip:LEVEL`. */
static int
writer_compress(const struct ckpt_host *host, const char *text, int *level)
{
    const char *digit = text != NULL ? text + 5 : NULL;

    *level = 0;
    if (text == NULL)
        return CKPT_OK;
    if (strncmp(text, "gzip", 4) == 0) {
        *level = text[4] == '\0' ? 4 : 0;
        if (text[4] == ':' && *digit >= '1' && *digit <= '9' &&
            digit[1] == '\0')
            *level = *digit - '0';
    }
    if (*level > 0)
        return CKPT_OK;
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                      "compress is 'gzip' or 'gzip:LEVEL' with a level of 1 to "
                      "9, not '%s'",
                      text);
}

static int
writer_open(const struct ckpt_host *host, enum hdf5_layout layout,
            const char *compress, void **self)
{
    struct hdf5_writer *writer;
    int level, status = writer_compress(host, compress, &level);

    if (status != CKPT_OK)
        return status;
    writer = host->allocate(host, sizeof *writer);
    if (writer == NULL)
        return CKPT_MEMORY;
    writer->layout = layout;
    writer->gzip_level = level;
    *self = writer;
    return CKPT_OK;
}

static int
hdf5_open_plain(const struct ckpt_host *host,
                const struct ckpt_option_value *options, void **self)
{
    return writer_open(host,
                       options[1].integer == 0 ? HDF5_FLAT : HDF5_IN_GROUPS,
                       options[0].text, self);
}

static int
hdf5_open_keras2(const struct ckpt_host *host,
                 const struct ckpt_option_value *options, void **self)
{
    return writer_open(host, HDF5_KERAS2, options[0].text, self);
}

static int
hdf5_open_keras3(const struct ckpt_host *host,
                 const struct ckpt_option_value *options, void **self)
{
    return writer_open(host, HDF5_KERAS3, options[0].text, self);
}

static int
writer_names(const struct ckpt_host *host, struct hdf5_writer *writer,
             const struct ckpt_graph *graph)
{
    if (writer->asked)
        return CKPT_OK;
    writer->asked = true;
    return hdf5_names_init(&writer->names, host, writer->layout, graph);
}

static int
hdf5_name(const struct ckpt_host *host, void *self,
          const struct ckpt_graph *graph, size_t index, struct ckpt_text *name)
{
    struct hdf5_writer *writer = self;
    int status = writer_names(host, writer, graph);

    if (status == CKPT_OK)
        status =
            hdf5_names_give(&writer->names, &graph->entries[index].name, name);
    return status;
}

/* Keras would not know what to do with them. */
static int
hdf5_text(const struct ckpt_host *host, void *self,
          const struct ckpt_graph *graph, const struct ckpt_text *own,
          const struct ckpt_value *text, struct ckpt_text *name)
{
    struct hdf5_writer *writer = self;
    int status = writer_names(host, writer, graph);

    if (writer->layout == HDF5_KERAS2 || writer->layout == HDF5_KERAS3)
        return CKPT_END;
    if (status == CKPT_OK)
        status = hdf5_texts_give(host, &writer->texts, &writer->names, graph,
                                 own, text, name);
    return status;
}

/* Counts the attributes of each group of the output, once. */
static bool
writer_count(const struct ckpt_host *host, struct hdf5_writer *writer,
             const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr = graph->attrs;
    const char *own;
    uint64_t *count;
    bool added;

    for (; attr != NULL && !writer->counted; attr = attr->next) {
        count = sdk_table_add(host, &writer->counts, attr->name,
                              hdf5_attr_path(attr->name, &own), &added);
        if (count == NULL)
            return false;
        ++*count;
    }
    writer->counted = true;
    return true;
}

/* Whether the owner of an attribute of the graph has few enough. */
static bool
writer_few(const struct ckpt_host *host, struct hdf5_writer *writer,
           const struct ckpt_graph *graph, const char *name)
{
    const uint64_t *count;
    const char *own;

    if (!writer_count(host, writer, graph))
        return false;
    count = sdk_table_find(&writer->counts, name, hdf5_attr_path(name, &own));
    return count == NULL || *count <= ATTRS_MAX;
}

static bool
tensor_few(const struct ckpt_attr *attr)
{
    size_t count = 0;

    for (; attr != NULL && count <= ATTRS_MAX; attr = attr->next)
        count++;
    return count <= ATTRS_MAX;
}

static bool
hdf5_keeps(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *graph, size_t index,
           const struct ckpt_attr *attr)
{
    const struct ckpt_value *value;
    const char *own = attr->name;

    if (index == SIZE_MAX && hdf5_attr_marks(attr) > 0)
        return true;
    if (index == SIZE_MAX) {
        hdf5_attr_path(attr->name, &own);
        return hdf5_attr_holds(own, attr->value) &&
               (attr->value->kind == CKPT_KIND_LIST ||
                writer_few(host, self, graph, attr->name));
    }
    value = graph->entries[index].value;
    if (hdf5_dtype_is_named(value->as.tensor->dtype) &&
        strcmp(own, HDF5_DTYPE_ATTR) == 0)
        return false;
    return hdf5_attr_holds(own, attr->value) && tensor_few(value->attrs);
}

static int
hdf5_arrange_writer(const struct ckpt_host *host, void *self,
                    const struct ckpt_graph *graph, uint32_t *order)
{
    const struct hdf5_writer *writer = self;

    return hdf5_arrange(host, writer->layout, graph, order);
}

static int
hdf5_plan_writer(const struct ckpt_host *host, void *self,
                 const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    struct hdf5_writer *writer = self;

    writer->library = SDK_LATER_NEED(host, hdf5);
    if (writer->library == NULL)
        return CKPT_UNSUPPORTED;
    if (writer->gzip_level > 0)
        return CKPT_END;
    return writer->library->plan(host, writer->layout, graph, plan);
}

static int
hdf5_write_writer(const struct ckpt_host *host, void *self,
                  const struct ckpt_graph *graph, struct ckpt_sink *sink)
{
    const struct hdf5_writer *writer = self;

    return writer->library->write_chunks(host, writer->layout,
                                         writer->gzip_level, graph, sink);
}

static void
hdf5_close_writer(const struct ckpt_host *host, void *self)
{
    struct hdf5_writer *writer = self;

    hdf5_texts_fini(host, &writer->texts);
    hdf5_names_fini(&writer->names);
    sdk_table_fini(host, &writer->counts);
    host->release(host, writer);
}

static const char *const hdf5_layouts[] = {"flat", "groups", NULL};

#define HDF5_OPTION_COMPRESS                                                \
    {                                                                       \
        .name = "compress", .kind = CKPT_OPTION_STRING,                     \
        .help = "store tensors in chunks, compressed: gzip, or gzip:LEVEL " \
                "with 1 to 9",                                              \
    }

static const struct ckpt_option hdf5_options[] = {
    HDF5_OPTION_COMPRESS,
    {
        .name = "layout",
        .kind = CKPT_OPTION_CHOICE,
        .fallback = "flat",
        .help = "where names are split into groups: at '/' (flat), or at '.' "
                "too (groups)",
        .choices = hdf5_layouts,
    },
    {.kind = CKPT_OPTION_END},
};

static const struct ckpt_option hdf5_keras_options[] = {
    HDF5_OPTION_COMPRESS,
    {.kind = CKPT_OPTION_END},
};

static const char *const hdf5_suffixes[] = {".h5", ".hdf5", ".he5", NULL};
static const char *const hdf5_keras3_suffixes[] = {".weights.h5", NULL};
static const char *const hdf5_no_suffixes[] = {NULL};

#define HDF5_WRITER                                                     \
    .size = sizeof(struct ckpt_writer),                                 \
    .limits = {.holds = CKPT_HOLDS_STRINGS | CKPT_HOLDS_TWINS,          \
               .dtypes = HDF5_DTYPES,                                   \
               .rank_max = HDF5_RANK_MAX},                              \
    .arrange = hdf5_arrange_writer, .plan = hdf5_plan_writer,           \
    .close = hdf5_close_writer, .name = hdf5_name, .keeps = hdf5_keeps, \
    .write = hdf5_write_writer, .text = hdf5_text

static const struct ckpt_writer hdf5_plain = {
    HDF5_WRITER,
    .id = "hdf5",
    .summary = "HDF5: a tree of data sets",
    .suffixes = hdf5_suffixes,
    .options = hdf5_options,
    .open = hdf5_open_plain,
};

static const struct ckpt_writer hdf5_keras2 = {
    HDF5_WRITER,
    .id = "keras2",
    .summary = "HDF5: weights by layers, as Keras 1 and 2 have them",
    .suffixes = hdf5_no_suffixes,
    .options = hdf5_keras_options,
    .open = hdf5_open_keras2,
};

static const struct ckpt_writer hdf5_keras3 = {
    HDF5_WRITER,
    .id = "keras3",
    .summary = "HDF5: weights by objects, as Keras 3 has them",
    .suffixes = hdf5_keras3_suffixes,
    .options = hdf5_keras_options,
    .open = hdf5_open_keras3,
};

const struct ckpt_writer *const hdf5_writers[] = {&hdf5_plain, &hdf5_keras2,
                                                  &hdf5_keras3, NULL};
