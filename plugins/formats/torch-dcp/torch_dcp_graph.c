/* SPDX-License-Identifier: MIT
 *
 * Each item is a whole archive of torch.save inside a file: of a chunk a
 * contiguous tensor, of bytes any object. A tensor of one chunk is that of
 * the item; one of several is made of their bytes by the cursor.
 */
#include "torch_dcp_graph.h"

#include <string.h>

#include "checked.h"
#include "torch_dcp_parse.h"
#include "torch_dcp_tree.h"
#include "torch_records.h"

#define METADATA ".metadata"
#define CHUNKS_MAX 20000 /* of one tensor: each is held against each */
#define NAME(text) \
    (int)((text)->size_bytes < 200 ? (text)->size_bytes : 200), (text)->data

struct describing {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    struct torch_dcp *self;
    struct torch_dcp_metadata metadata;
    struct torch_dcp_tree tree;
    struct sdk_buffer file;  /* name of an item's file, with its NUL */
    struct ckpt_text name;   /* the entry that is being read */
    struct sdk_buffer label; /* the same, with its NUL, for messages */
};

static const char *
label(const struct describing *d)
{
    return (const char *)d->label.data;
}

static int
fail_entry(const struct describing *d, int status, const char *what)
{
    d->host->fail(d->host, status, label(d), CKPT_NOWHERE, "%s", what);
    return status;
}

/* ---- Items ---- */

static int
open_file(struct describing *d, const struct torch_dcp_item *item,
          const struct ckpt_source **file)
{
    int status;

    d->file.size_bytes = 0;
    status = sdk_buffer_append(d->host, &d->file, item->file.data,
                               item->file.size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_append(d->host, &d->file, "", 1);
    if (status == CKPT_OK &&
        memchr(item->file.data, '\0', item->file.size_bytes) != NULL)
        return fail_entry(d, CKPT_FORMAT,
                          ".metadata: a zero byte in the name of a file");
    if (status == CKPT_OK)
        status = d->host->source_open(d->host, d->self->source,
                                      (const char *)d->file.data, file);
    if (status == CKPT_OK && !sdk_within(item->offset, item->size_bytes,
                                         d->host->source_size(d->host, *file)))
        return d->host->fail(d->host, CKPT_FORMAT, label(d), item->offset,
                             "an item of %llu bytes is beyond the end of "
                             "'%.*s'",
                             (unsigned long long)item->size_bytes,
                             NAME(&item->file));
    return status;
}

/* Storages of items lie in the file; a packed one has no place to be read
 * from once its archive is closed. */
static int
find_storage(const struct ckpt_host *host, void *user,
             const struct sdk_torch_storage *storage, struct ckpt_storage *like)
{
    int status = sdk_torch_records_storage(host, user, storage, like);

    if (status == CKPT_OK && like->place == CKPT_PLACE_CODED)
        return host->fail(host, CKPT_UNSUPPORTED, storage->tensor, CKPT_NOWHERE,
                          "a deflated record in an item");
    return status;
}

static int
read_object(struct describing *d, struct sdk_torch_records *records,
            struct ckpt_value **value)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, "data.pkl");
    struct sdk_torch_bytes bytes = {0};
    struct sdk_pickled pickled = {0};
    struct sdk_torch_source source = {.find = find_storage, .user = records};
    struct torch_reader *reader = NULL;
    int status;

    if (member == NULL)
        return fail_entry(d, CKPT_FORMAT,
                          "there is no record 'data.pkl' in the item");
    source.origin = sdk_torch_member_origin(member);
    status =
        sdk_torch_records_pickle(d->host, records, member, &bytes, &pickled);
    if (status == CKPT_OK)
        status =
            sdk_torch_reader_new(d->host, d->graph, &pickled, &source, &reader);
    if (status == CKPT_OK)
        status = sdk_torch_reader_value(reader, pickled.root, label(d),
                                        CKPT_ROLE_UNKNOWN, value);
    sdk_torch_reader_free(reader);
    sdk_pickled_fini(d->host, &pickled);
    d->host->release(d->host, bytes.data);
    return status;
}

static int
read_item(struct describing *d, const struct torch_dcp_item *item,
          struct ckpt_value **value)
{
    struct sdk_torch_records records = {0};
    struct torch_dcp_archive archive = {.offset = item->offset,
                                        .size_bytes = item->size_bytes};
    int status = open_file(d, item, &archive.file);

    if (status == CKPT_OK)
        status = sdk_buffer_append(d->host, &d->self->archives, &archive,
                                   sizeof archive);
    if (status != CKPT_OK)
        return status;
    status = sdk_torch_records_open_part(d->host, archive.file, item->offset,
                                         item->size_bytes, &records);
    if (status == CKPT_OK)
        status = sdk_torch_records_about(d->host, &records);
    if (status == CKPT_OK)
        status = read_object(d, &records, value);
    sdk_torch_records_close(d->host, &records);
    return status;
}

/* The item of a chunk, or of bytes where there is no offset. */
static int
find_item(struct describing *d, const uint64_t *offset, uint32_t rank,
          const struct torch_dcp_item **item)
{
    int status = torch_dcp_item_find(d->host, &d->metadata, &d->name, offset,
                                     rank, item);

    if (status == CKPT_OK && *item == NULL)
        return fail_entry(d, CKPT_FORMAT,
                          ".metadata: nothing says where this is");
    return status;
}

/* ---- Tensors ---- */

/* What the metadata say of a tensor. */
struct tensor {
    uint64_t shape[CKPT_MAX_RANK];
    uint32_t rank, dtype; /* dtype: NONE if it has no name here */
    struct sdk_pickled_list chunks;
};

static int
read_tensor(struct describing *d, uint32_t ref, struct tensor *tensor)
{
    const struct sdk_pickled *p = &d->metadata.pickled;
    uint32_t properties = torch_dcp_member(p, ref, "properties");
    uint32_t chunks = torch_dcp_member(p, ref, "chunks"), state;
    struct sdk_pickled_list parts = {NULL, 0};

    if (!torch_dcp_size(p, torch_dcp_member(p, ref, "size"), tensor->shape,
                        &tensor->rank) ||
        chunks == SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(p, chunks) != SDK_PICKLED_LIST)
        return fail_entry(d, CKPT_FORMAT,
                          ".metadata: a tensor without size and chunks");
    tensor->chunks = sdk_pickled_list(p, chunks);
    tensor->dtype = CKPT_DTYPE_NONE;
    if (properties == SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(p, properties) != SDK_PICKLED_NEW)
        return CKPT_OK;
    state = sdk_pickled_call(p, properties).state;
    if (state != SDK_PICKLED_NOTHING &&
        sdk_pickled_kind(p, state) == SDK_PICKLED_TUPLE)
        parts = sdk_pickled_list(p, state);
    if (parts.count > 0 &&
        sdk_pickled_kind(p, parts.refs[0]) == SDK_PICKLED_GLOBAL)
        tensor->dtype =
            ckpt_dtype_from_name(sdk_pickled_name(p, parts.refs[0]));
    return CKPT_OK;
}

static bool
same_shape(const struct ckpt_tensor *tensor, const uint64_t *shape,
           uint32_t rank)
{
    return tensor->rank == rank &&
           (rank == 0 ||
            memcmp(tensor->shape, shape, rank * sizeof *shape) == 0);
}

/* Reads the chunk, whose offset and size are known, as a tensor of a dtype;
 * NONE is any. */
static int
read_chunk(struct describing *d, const struct torch_dcp_chunk *chunk,
           uint32_t rank, uint32_t dtype, struct ckpt_value **value)
{
    const struct torch_dcp_item *item;
    int status = find_item(d, chunk->offset, rank, &item);

    if (status == CKPT_OK)
        status = read_item(d, item, value);
    if (status != CKPT_OK)
        return status;
    if ((*value)->kind != CKPT_KIND_TENSOR)
        return fail_entry(d, CKPT_FORMAT, "an item that is no tensor");
    if (!same_shape((*value)->as.tensor, chunk->size, rank))
        return fail_entry(d, CKPT_FORMAT,
                          "a chunk of another shape than .metadata says");
    if (dtype != CKPT_DTYPE_NONE && (*value)->as.tensor->dtype != dtype)
        return fail_entry(d, CKPT_FORMAT,
                          "a chunk of another dtype than .metadata says");
    return CKPT_OK;
}

static int
parse_chunk(struct describing *d, uint32_t ref, uint32_t rank,
            struct torch_dcp_chunk *chunk)
{
    const struct sdk_pickled *p = &d->metadata.pickled;
    uint32_t offset_rank = 0, size_rank = 0;

    if (!torch_dcp_size(p, torch_dcp_member(p, ref, "offsets"), chunk->offset,
                        &offset_rank) ||
        !torch_dcp_size(p, torch_dcp_member(p, ref, "sizes"), chunk->size,
                        &size_rank) ||
        offset_rank != rank || size_rank != rank)
        return fail_entry(d, CKPT_FORMAT,
                          ".metadata: a chunk without offsets and sizes of "
                          "its tensor");
    return CKPT_OK;
}

/* Where the bytes of a chunk are; they must be what the cursor copies. */
static int
place_chunk(struct describing *d, const struct ckpt_tensor *tensor,
            struct torch_dcp_chunk *chunk)
{
    const struct ckpt_storage *storage = tensor->storage;
    uint64_t item_bytes = ckpt_dtype_width_bits(tensor->dtype) / 8;

    if (tensor->size_bytes == 0)
        return CKPT_OK;
    if (storage->place != CKPT_PLACE_SPAN || !tensor->contiguous ||
        storage->byte_order != CKPT_LITTLE_ENDIAN || item_bytes == 0)
        return fail_entry(d, CKPT_UNSUPPORTED,
                          "a chunk that is not plain bytes in a row");
    chunk->source = storage->source;
    chunk->data_offset = storage->source_offset + tensor->offset * item_bytes;
    return CKPT_OK;
}

/* ---- Tensors of several chunks ---- */

static int
keep_pieces(struct describing *d, uint32_t count,
            struct torch_dcp_pieces **pieces)
{
    struct torch_dcp *self = d->self;
    struct torch_dcp_pieces *made;

    if (self->count == self->capacity) {
        size_t wanted = self->capacity ? self->capacity * 2 : 64;
        struct torch_dcp_pieces **all =
            d->host->reallocate(d->host, self->pieces, wanted * sizeof(*all));

        if (all == NULL)
            return CKPT_MEMORY;
        self->pieces = all;
        self->capacity = wanted;
    }
    made = d->host->allocate(d->host, sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    self->pieces[self->count++] = made;
    made->chunks =
        d->host->allocate(d->host, ((size_t)count + 1) * sizeof *made->chunks);
    if (made->chunks == NULL)
        return CKPT_MEMORY;
    *pieces = made;
    return CKPT_OK;
}

static int
read_pieces(struct describing *d, const struct tensor *tensor,
            struct torch_dcp_pieces *pieces, uint32_t *dtype)
{
    struct ckpt_value *value;
    uint32_t i;
    int status = CKPT_OK;

    *dtype = tensor->dtype;
    for (i = 0; i < tensor->chunks.count && status == CKPT_OK; i++) {
        struct torch_dcp_chunk *chunk = &pieces->chunks[pieces->count++];

        status = parse_chunk(d, tensor->chunks.refs[i], tensor->rank, chunk);
        if (status == CKPT_OK)
            status = read_chunk(d, chunk, tensor->rank, *dtype, &value);
        if (status != CKPT_OK)
            break;
        *dtype = value->as.tensor->dtype;
        status = place_chunk(d, value->as.tensor, chunk);
    }
    return status;
}

static int
size_pieces(struct describing *d, const struct tensor *tensor, uint32_t dtype,
            struct torch_dcp_pieces *pieces)
{
    uint32_t i;

    memcpy(pieces->shape, tensor->shape, sizeof pieces->shape);
    pieces->rank = tensor->rank;
    pieces->item_bytes = ckpt_dtype_width_bits(dtype) / 8;
    pieces->size_bytes = pieces->item_bytes;
    for (i = 0; i < tensor->rank; i++)
        if (!sdk_mul_u64(pieces->size_bytes, tensor->shape[i],
                         &pieces->size_bytes))
            return fail_entry(d, CKPT_FORMAT, ".metadata: sizes that overflow");
    return CKPT_OK;
}

static int
make_tensor(struct describing *d, const struct tensor *tensor, uint32_t dtype,
            const struct torch_dcp_pieces *pieces, struct ckpt_value **value)
{
    struct ckpt_storage storage = {.place = CKPT_PLACE_CODED,
                                   .size_bytes = pieces->size_bytes,
                                   .word_bytes = ckpt_dtype_word_bytes(dtype),
                                   .cursor_key = d->self->count - 1};
    struct ckpt_tensor like = {
        .dtype = dtype, .rank = tensor->rank, .shape = tensor->shape};
    int status = d->host->storage_new(d->host, d->graph, &storage,
                                      sizeof storage, &like.storage);

    return status == CKPT_OK ? d->host->tensor_new(d->host, d->graph, &like,
                                                   sizeof like, label(d), value)
                             : status;
}

static int
assemble(struct describing *d, const struct tensor *tensor,
         struct ckpt_value **value)
{
    struct torch_dcp_pieces *pieces;
    uint32_t dtype;
    int status;

    if (tensor->chunks.count > CHUNKS_MAX)
        return d->host->fail(d->host, CKPT_LIMIT, label(d), CKPT_NOWHERE,
                             ".metadata: %u chunks; at most %d are read",
                             tensor->chunks.count, CHUNKS_MAX);
    status = keep_pieces(d, tensor->chunks.count, &pieces);

    if (status == CKPT_OK)
        status = read_pieces(d, tensor, pieces, &dtype);
    if (status != CKPT_OK)
        return status;
    if (dtype == CKPT_DTYPE_NONE || ckpt_dtype_width_bits(dtype) % 8 != 0)
        return fail_entry(d, CKPT_UNSUPPORTED,
                          "chunks of a dtype that cannot be assembled");
    status = size_pieces(d, tensor, dtype, pieces);
    if (status == CKPT_OK)
        status = torch_dcp_pieces_check(d->host, pieces, label(d));
    return status == CKPT_OK ? make_tensor(d, tensor, dtype, pieces, value)
                             : status;
}

/* ---- Entries ---- */

/* A tensor of one chunk is the item's own. */
static int
tensor_value(struct describing *d, uint32_t ref, struct ckpt_value **value)
{
    struct torch_dcp_chunk chunk = {.source = NULL};
    struct tensor tensor = {.rank = 0};
    bool whole = true;
    uint32_t i;
    int status = read_tensor(d, ref, &tensor);

    if (status != CKPT_OK || tensor.chunks.count != 1)
        return status == CKPT_OK ? assemble(d, &tensor, value) : status;
    status = parse_chunk(d, tensor.chunks.refs[0], tensor.rank, &chunk);
    if (status != CKPT_OK)
        return status;
    for (i = 0; i < tensor.rank; i++)
        whole =
            whole && chunk.offset[i] == 0 && chunk.size[i] == tensor.shape[i];
    if (!whole)
        return fail_entry(d, CKPT_FORMAT,
                          ".metadata: chunks that are not all of their "
                          "tensor");
    return read_chunk(d, &chunk, tensor.rank, tensor.dtype, value);
}

static int
bytes_value(struct describing *d, struct ckpt_value **value)
{
    const struct torch_dcp_item *item;
    int status = find_item(d, NULL, 0, &item);

    return status == CKPT_OK ? read_item(d, item, value) : status;
}

static int
name_entry(struct describing *d, uint32_t ref)
{
    int status;

    d->name = sdk_pickled_text(&d->metadata.pickled, ref);
    d->label.size_bytes = 0;
    status =
        sdk_buffer_append(d->host, &d->label, d->name.data, d->name.size_bytes);
    return status == CKPT_OK ? sdk_buffer_append(d->host, &d->label, "", 1)
                             : status;
}

static int
add_entry(struct describing *d, uint32_t name, uint32_t ref)
{
    const struct sdk_pickled *p = &d->metadata.pickled;
    struct ckpt_value *value;
    const uint64_t *path;
    int status = name_entry(d, name);

    if (status != CKPT_OK)
        return status;
    if (torch_dcp_is(p, ref, "TensorStorageMetadata"))
        status = tensor_value(d, ref, &value);
    else if (torch_dcp_is(p, ref, "BytesStorageMetadata"))
        status = bytes_value(d, &value);
    else
        return fail_entry(d, CKPT_UNSUPPORTED,
                          ".metadata: an entry of a class not known here");
    if (status != CKPT_OK)
        return status;
    d->tree.label = label(d);
    path = sdk_table_find(&d->metadata.path_by_name, d->name.data,
                          d->name.size_bytes);
    return torch_dcp_tree_put(
        &d->tree, p, path != NULL ? (uint32_t)*path : SDK_PICKLED_NOTHING,
        &d->name, value);
}

static int
add_entries(struct describing *d)
{
    const struct sdk_pickled_list *entries = &d->metadata.entries;
    uint32_t i;
    int status = torch_dcp_tree_init(&d->tree);

    for (i = 0; i < entries->count && status == CKPT_OK; i += 2) {
        status = add_entry(d, entries->refs[i], entries->refs[i + 1]);
        if ((i & 0xfe) == 0xfe && d->host->cancelled(d->host))
            return CKPT_CANCELLED;
    }
    return status;
}

int
torch_dcp_describe(const struct ckpt_host *host, struct torch_dcp *self,
                   struct ckpt_graph *graph)
{
    struct describing d = {.host = host, .graph = graph, .self = self};
    const struct ckpt_source *metadata = self->source;
    const struct ckpt_value *root;
    int status = CKPT_OK;

    d.tree.host = host;
    d.tree.graph = graph;
    if (host->source_is_folder(host, metadata))
        status = host->source_open(host, self->source, METADATA, &metadata);
    if (status == CKPT_OK)
        status = torch_dcp_parse(host, metadata, &d.metadata);
    if (status == CKPT_OK)
        status = add_entries(&d);
    if (status == CKPT_OK)
        status = torch_dcp_tree_build(&d.tree, &root);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, root);
    torch_dcp_tree_fini(&d.tree);
    torch_dcp_metadata_fini(host, &d.metadata);
    sdk_buffer_fini(host, &d.file);
    sdk_buffer_fini(host, &d.label);
    return status;
}
