/* SPDX-License-Identifier: MIT
 *
 * The tar form of torch.save: the callbacks of the reader, and the tables.
 * The pickle is read by the support code; here the keys that it names meet
 * the tensors and storages of the archive. The writer is in torch_tar_plan.c.
 */
#include "ckpt/plugin.h"

#include <stdio.h>
#include <string.h>

#include "torch_attributes.h"
#include "torch_read.h"
#include "torch_tar_parse.h"
#include "torch_tar_plan.h"

struct torch_tar {
    const struct ckpt_source *source;
    struct torch_tar_members members;
    struct torch_tar_tables tables;
};

static int
torch_tar_probe(const struct ckpt_host *host, const struct ckpt_source *source,
                struct ckpt_evidence *evidence)
{
    return torch_tar_recognise(host, source, evidence);
}

static int
torch_tar_open(const struct ckpt_host *host, const struct ckpt_source *source,
               const struct ckpt_option_value *options, void **self)
{
    struct torch_tar *made = host->allocate(host, sizeof *made);

    (void)options;
    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    *self = made;
    return CKPT_OK;
}

static void
torch_tar_close(const struct ckpt_host *host, void *self)
{
    torch_tar_tables_fini(host, &((struct torch_tar *)self)->tables);
    host->release(host, self);
}

/* ---- Tensors and storages ---- */

static int
make_storage(const struct ckpt_host *host, struct torch_tar *tar,
             struct ckpt_graph *graph, size_t index,
             const struct ckpt_storage **storage)
{
    struct torch_tar_storage *root =
        &tar->tables.storages[tar->tables.storages[index].root];
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN};
    int status = CKPT_OK;

    if (root->storage == NULL) {
        like.size_bytes =
            root->count * (ckpt_dtype_width_bits(root->dtype) / 8);
        like.word_bytes = ckpt_dtype_word_bytes(root->dtype);
        like.device = root->device;
        like.source = tar->source;
        like.source_offset = root->offset;
        status =
            host->storage_new(host, graph, &like, sizeof like, &root->storage);
    }
    if (status == CKPT_OK)
        *storage = root->storage;
    return status;
}

/* A tensor without a storage has no bytes, and so any will do. */
static int
make_no_storage(const struct ckpt_host *host, struct torch_tar *tar,
                struct ckpt_graph *graph, uint32_t dtype,
                const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {.place = CKPT_PLACE_SPAN,
                                .word_bytes = ckpt_dtype_word_bytes(dtype),
                                .source = tar->source};

    return host->storage_new(host, graph, &like, sizeof like, storage);
}

/* Torch 0.1 had no tensors of rank 0 but empty ones. */
static int
make_tensor(const struct ckpt_host *host, struct torch_tar *tar,
            struct ckpt_graph *graph, struct torch_tar_tensor *tensor,
            const char *name)
{
    static const uint64_t none = 0, one = 1;
    struct ckpt_tensor like = {.dtype = tensor->dtype, .rank = tensor->rank};
    const struct torch_tar_storage *storage = NULL;
    int status;

    if (tensor->storage == TORCH_TAR_NO_STORAGE) {
        status =
            make_no_storage(host, tar, graph, tensor->dtype, &like.storage);
    } else {
        storage = &tar->tables.storages[tensor->storage];
        status = make_storage(host, tar, graph, tensor->storage, &like.storage);
    }
    if (status != CKPT_OK)
        return status;
    like.shape = tar->tables.dims + tensor->dims;
    like.strides = like.shape + like.rank;
    if (like.rank == 0 && (storage == NULL || storage->count == 0)) {
        like.rank = 1;
        like.shape = &none;
        like.strides = &one;
    } else if (storage != NULL) {
        like.offset = storage->first + tensor->offset;
    }
    return host->tensor_new(host, graph, &like, sizeof like, name,
                            &tensor->value);
}

static int
make_object(const struct ckpt_host *host, struct torch_tar *tar,
            struct ckpt_graph *graph, struct torch_tar_storage *storage,
            const char *name)
{
    static const uint64_t step = 1;
    struct ckpt_tensor view = {.dtype = storage->dtype,
                               .rank = 1,
                               .shape = &storage->count,
                               .strides = &step,
                               .offset = storage->first};
    int status =
        make_storage(host, tar, graph, (size_t)(storage - tar->tables.storages),
                     &view.storage);

    return status == CKPT_OK
               ? sdk_torch_storage_value(host, graph, &view, false, name,
                                         &storage->object)
               : status;
}

/* A key in plain decimal. */
static bool
read_key(const struct ckpt_text *id, int64_t *key)
{
    bool negative = id->size_bytes > 0 && id->data[0] == '-';
    size_t i = negative ? 1 : 0;
    uint64_t sum = 0;

    if (id->size_bytes == i || id->size_bytes > 19)
        return false;
    for (; i < id->size_bytes; i++) {
        if (id->data[i] < '0' || id->data[i] > '9')
            return false;
        sum = sum * 10 + (uint64_t)(id->data[i] - '0');
    }
    if (sum > INT64_MAX)
        return false;
    *key = negative ? -(int64_t)sum : (int64_t)sum;
    return true;
}

static int
torch_tar_named(const struct ckpt_host *host, void *user,
                struct ckpt_graph *graph, const struct sdk_torch_named *named,
                struct ckpt_value **value)
{
    struct torch_tar *tar = user;
    struct torch_tar_tensor *tensor;
    struct torch_tar_storage *storage;
    struct ckpt_value **place;
    int status = CKPT_OK;
    int64_t key;

    if (!read_key(&named->id, &key))
        return host->fail(host, CKPT_FORMAT, named->tensor, named->byte,
                          "a persistent id that is no key");
    tensor = torch_tar_find_tensor(&tar->tables, key);
    storage = torch_tar_find_storage(&tar->tables, key);
    if (tensor == NULL && storage == NULL)
        return host->fail(host, CKPT_FORMAT, named->tensor, named->byte,
                          "there is no tensor or storage of key %lld",
                          (long long)key);
    place = tensor != NULL ? &tensor->value : &storage->object;
    if (*place == NULL)
        status = tensor != NULL
                     ? make_tensor(host, tar, graph, tensor, named->tensor)
                     : make_object(host, tar, graph, storage, named->tensor);
    if (status == CKPT_OK)
        *value = *place;
    return status;
}

/* The form names all its storages by key. */
static int
torch_tar_find(const struct ckpt_host *host, void *user,
               const struct sdk_torch_storage *storage,
               struct ckpt_storage *like)
{
    (void)user;
    (void)like;
    return host->fail(host, CKPT_UNSUPPORTED, storage->tensor, storage->byte,
                      "a storage of another form of torch.save");
}

/* ---- Describing ---- */

/* The whole of a member, in memory. The caller releases it. */
static int
load_member(const struct ckpt_host *host, const struct torch_tar *tar,
            int which, unsigned char **data)
{
    const struct torch_tar_member *member = &tar->members.members[which];
    unsigned char *made;
    int status;

    made = host->allocate(host, (size_t)member->size_bytes + 1);
    if (made == NULL)
        return CKPT_MEMORY;
    status = host->source_read(host, tar->source, member->offset, made,
                               (size_t)member->size_bytes);
    if (status == CKPT_OK)
        *data = made;
    else
        host->release(host, made);
    return status;
}

static int
read_object(const struct ckpt_host *host, struct torch_tar *tar,
            struct ckpt_graph *graph)
{
    const struct torch_tar_member *member =
        &tar->members.members[TORCH_TAR_PICKLE];
    struct sdk_pickled_input input = {.size_bytes = (size_t)member->size_bytes,
                                      .origin = member->offset};
    struct sdk_torch_source source = {.find = torch_tar_find,
                                      .user = tar,
                                      .origin = member->offset,
                                      .file = tar->source,
                                      .ids = SDK_TORCH_IDS_TAR,
                                      .named = torch_tar_named};
    struct sdk_pickled pickled = {0};
    const struct ckpt_value *root;
    unsigned char *data = NULL;
    int status = load_member(host, tar, TORCH_TAR_PICKLE, &data);

    if (status != CKPT_OK)
        return status;
    input.data = data;
    status = sdk_pickled_parse(host, &input, &pickled);
    if (status == CKPT_OK && pickled.end_bytes < input.size_bytes)
        host->warn(host, NULL, member->offset + pickled.end_bytes,
                   "%zu bytes follow the pickle in 'pickle'",
                   input.size_bytes - pickled.end_bytes);
    if (status == CKPT_OK)
        status = sdk_torch_read(host, graph, &pickled, &source, &root);
    if (status == CKPT_OK)
        status = host->root_set(host, graph, root);
    sdk_pickled_fini(host, &pickled);
    host->release(host, data);
    return status;
}

static int
read_attributes(const struct ckpt_host *host, struct torch_tar *tar,
                struct ckpt_graph *graph)
{
    const struct torch_tar_member *member =
        &tar->members.members[TORCH_TAR_ATTRIBUTES];
    unsigned char *data = NULL;
    int status;

    if (!member->found)
        return CKPT_OK;
    status = load_member(host, tar, TORCH_TAR_ATTRIBUTES, &data);
    if (status != CKPT_OK)
        return status;
    status =
        sdk_torch_attributes_read(host, graph, "member 'ckpt.attributes'", data,
                                  (size_t)member->size_bytes, member->offset);
    host->release(host, data);
    return status;
}

static int
check_members(const struct ckpt_host *host, const struct torch_tar *tar)
{
    static const int needed[] = {TORCH_TAR_PICKLE, TORCH_TAR_TENSORS,
                                 TORCH_TAR_STORAGES};
    size_t i;

    for (i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!tar->members.members[needed[i]].found)
            return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                              "there is no member '%s'",
                              torch_tar_names[needed[i]]);
    if (tar->members.other_count > 0)
        host->warn(host, NULL, tar->members.other_offset,
                   "members that torch does not read: %llu, the first is '%s'",
                   (unsigned long long)tar->members.other_count,
                   tar->members.other_name);
    return CKPT_OK;
}

static int
torch_tar_describe(const struct ckpt_host *host, void *self,
                   struct ckpt_graph *graph)
{
    struct torch_tar *tar = self;
    int status = torch_tar_walk(host, tar->source, &tar->members);

    if (status == CKPT_OK)
        status = check_members(host, tar);
    if (status == CKPT_OK)
        status = torch_tar_tables_read(host, &tar->members, &tar->tables);
    if (status == CKPT_OK)
        status = read_object(host, tar, graph);
    if (status == CKPT_OK)
        status = read_attributes(host, tar, graph);
    return status;
}

/* ---- Tables ---- */

static const char *const suffixes[] = {".pth", ".pt", ".tar", NULL};

static const struct ckpt_magic magics[] = {{257, "ustar", 5}, {0, NULL, 0}};

static const struct ckpt_reader torch_tar_reader = {
    .size = sizeof torch_tar_reader,
    .id = "torch-tar",
    .summary = "PyTorch checkpoint, tar form (torch.save of 0.1)",
    .suffixes = suffixes,
    .magics = magics,
    .threads = CKPT_THREADS_INSTANCE,
    .probe = torch_tar_probe,
    .open = torch_tar_open,
    .describe = torch_tar_describe,
    .close = torch_tar_close,
};

static const struct ckpt_reader *const readers[] = {&torch_tar_reader, NULL};
static const struct ckpt_writer *const writers[] = {&torch_tar_writer, NULL};

CKPT_PLUGIN(torch_tar) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "torch-tar",
    .version = "0.1.0",
    .summary = "PyTorch checkpoints in the tar form of torch.save",
    .readers = readers,
    .writers = writers,
};
