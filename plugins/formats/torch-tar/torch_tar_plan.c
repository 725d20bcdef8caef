/* SPDX-License-Identifier: MIT
 *
 * The plan of a torch tar: members of literal bytes, and one of storages,
 * each behind its pickled head. All sizes are known before the first byte.
 */
#include "torch_tar_plan.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "torch_attributes.h"
#include "torch_release.h"
#include "torch_tar_parse.h"
#include "torch_write.h"

#define BLOCK_BYTES 512
#define FILE_MAX (UINT64_C(1) << 62)

struct plan {
    const struct ckpt_host *host;
    struct ckpt_plan *output;
    struct sdk_torch_pickle pickle;
    struct sdk_buffer heads; /* of the storages, one behind the other */
    size_t *ends;            /* of each head */
    struct sdk_buffer buffer;
};

struct torch_tar_plan {
    bool checked; /* for torch 0.1 */
};

static int
torch_tar_plan_open(const struct ckpt_host *host,
                    const struct ckpt_option_value *options, void **self)
{
    struct torch_tar_plan *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    made->checked = options[0].given;
    *self = made;
    return CKPT_OK;
}

static void
torch_tar_plan_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

/* ---- The archive ---- */

static int
plan_bytes(const struct plan *plan, const void *data, size_t size_bytes)
{
    struct ckpt_segment bytes = {
        .kind = CKPT_SEGMENT_BYTES, .size_bytes = size_bytes, .data = data};

    if (size_bytes == 0)
        return CKPT_OK;
    return plan->host->plan_add(plan->host, plan->output, &bytes, sizeof bytes,
                                NULL);
}

static int
plan_padding(const struct plan *plan, uint64_t size_bytes)
{
    struct ckpt_segment padding = {.kind = CKPT_SEGMENT_PADDING,
                                   .size_bytes = size_bytes};

    if (size_bytes == 0)
        return CKPT_OK;
    return plan->host->plan_add(plan->host, plan->output, &padding,
                                sizeof padding, NULL);
}

/* Zero bytes up to the next block. */
static int
plan_close_member(const struct plan *plan)
{
    uint64_t position = plan->host->plan_position(plan->host, plan->output);

    return plan_padding(plan, -position % BLOCK_BYTES);
}

/* The sum of all bytes, with those of the sum itself as spaces. */
static void
block_seal(char block[BLOCK_BYTES + 1])
{
    unsigned sum = 0;
    size_t i;

    memset(block + 148, ' ', 8);
    for (i = 0; i < BLOCK_BYTES; i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
}

/* A header of POSIX ustar: nobody's file, of no time. */
static int
plan_header(const struct plan *plan, const char *name, char type,
            uint64_t size_bytes)
{
    char block[BLOCK_BYTES + 1] = {0};

    snprintf(block, 100, "%s", name);
    memcpy(block + 100, "0000644", 7);
    memcpy(block + 108, "0000000", 7);
    memcpy(block + 116, "0000000", 7);
    snprintf(block + 124, 12, "%011llo", (unsigned long long)size_bytes);
    memcpy(block + 136, "00000000000", 11);
    block[156] = type;
    memcpy(block + 257,
           "ustar\0"
           "00",
           8);
    block_seal(block);
    return plan_bytes(plan, block, BLOCK_BYTES);
}

/* A record "LENGTH size=N\n", whose length counts itself. */
static int
plan_wide_size(const struct plan *plan, uint64_t size_bytes)
{
    char record[64];
    int length, status;

    length = snprintf(record, sizeof record, "%d size=%llu\n", 10,
                      (unsigned long long)size_bytes);
    length = snprintf(record, sizeof record, "%d size=%llu\n", length,
                      (unsigned long long)size_bytes);
    status = plan_header(plan, "pax/storages", 'x', (uint64_t)length);
    if (status == CKPT_OK)
        status = plan_bytes(plan, record, (size_t)length);
    return status == CKPT_OK ? plan_close_member(plan) : status;
}

static int
plan_member(const struct plan *plan, int which, const struct sdk_buffer *buffer)
{
    int status =
        plan_header(plan, torch_tar_names[which], '0', buffer->size_bytes);

    if (status == CKPT_OK)
        status = plan_bytes(plan, buffer->data, buffer->size_bytes);
    return status == CKPT_OK ? plan_close_member(plan) : status;
}

/* ---- Pickles ---- */

/* Ends a small pickle and appends it to `out`. */
static int
take_pickle(const struct plan *plan, struct sdk_pickler *pickle,
            struct sdk_buffer *out)
{
    int status;

    sdk_pickler_op(pickle, SDK_OP_STOP);
    status = pickle->status;
    if (status == CKPT_OK)
        status = sdk_buffer_append(plan->host, out, pickle->out.data,
                                   pickle->out.size_bytes);
    sdk_pickler_fini(pickle);
    return status;
}

static int
put_count(const struct plan *plan, size_t count, struct sdk_buffer *out)
{
    struct sdk_pickler pickle = {0};

    sdk_pickler_init(&pickle, plan->host);
    sdk_pickler_int(&pickle, (int64_t)count);
    return take_pickle(plan, &pickle, out);
}

static int
put_u64(const struct plan *plan, uint64_t number, struct sdk_buffer *out)
{
    unsigned char bytes[8];

    sdk_store_le64(bytes, number);
    return sdk_buffer_append(plan->host, out, bytes, sizeof bytes);
}

/* torch.FloatTensor for torch.FloatStorage. Complex tensors never had a class
 * of their own; loads go by that of the storage. */
static void
put_tensor_class(struct sdk_pickler *pickle, uint32_t dtype)
{
    const char *class = sdk_torch_storage_class(dtype);
    bool complex = dtype == CKPT_COMPLEX64 || dtype == CKPT_COMPLEX128;
    size_t stem = complex ? 0 : strlen(class) - strlen("Storage");
    char name[40];

    snprintf(name, sizeof name, "%.*sTensor", (int)stem, class);
    sdk_pickler_global(pickle, "torch", name);
}

/* ---- sys_info ---- */

static int
plan_sys_info(struct plan *plan)
{
    static const struct {
        const char *name;
        int64_t size_bytes;
    } types[] = {{"short", 2}, {"int", 4}, {"long", 4}};
    struct sdk_pickler pickle = {0};
    size_t i;
    int status;

    sdk_pickler_init(&pickle, plan->host);
    sdk_pickler_op(&pickle, SDK_OP_EMPTY_DICT);
    sdk_pickler_op(&pickle, SDK_OP_MARK);
    sdk_pickler_string(&pickle, "protocol_version");
    sdk_pickler_int(&pickle, 1000);
    sdk_pickler_string(&pickle, "little_endian");
    sdk_pickler_bool(&pickle, true);
    sdk_pickler_string(&pickle, "type_sizes");
    sdk_pickler_op(&pickle, SDK_OP_EMPTY_DICT);
    sdk_pickler_op(&pickle, SDK_OP_MARK);
    for (i = 0; i < sizeof types / sizeof *types; i++) {
        sdk_pickler_string(&pickle, types[i].name);
        sdk_pickler_int(&pickle, types[i].size_bytes);
    }
    sdk_pickler_op(&pickle, SDK_OP_SETITEMS);
    sdk_pickler_op(&pickle, SDK_OP_SETITEMS);
    plan->buffer.size_bytes = 0;
    status = take_pickle(plan, &pickle, &plan->buffer);
    return status == CKPT_OK
               ? plan_member(plan, TORCH_TAR_SYS_INFO, &plan->buffer)
               : status;
}

/* ---- tensors ---- */

static int
put_tensor(const struct plan *plan, const struct sdk_torch_listed *listed,
           struct sdk_buffer *out)
{
    const struct ckpt_tensor *tensor = listed->tensor;
    const struct sdk_torch_use *use = &plan->pickle.uses[listed->use];
    struct sdk_pickler pickle = {0};
    uint32_t i;
    int status;

    sdk_pickler_init(&pickle, plan->host);
    sdk_pickler_int(&pickle, (int64_t)listed->key);
    sdk_pickler_int(&pickle, (int64_t)use->key);
    put_tensor_class(&pickle, use->dtype);
    sdk_pickler_tuple(&pickle, 3);
    status = take_pickle(plan, &pickle, out);
    if (status == CKPT_OK)
        status = put_u64(plan, tensor->rank, out);
    for (i = 0; i < tensor->rank && status == CKPT_OK; i++)
        status = put_u64(plan, tensor->shape[i], out);
    for (i = 0; i < tensor->rank && status == CKPT_OK; i++)
        status = put_u64(plan, tensor->strides[i], out);
    return status == CKPT_OK ? put_u64(plan, tensor->offset, out) : status;
}

static int
plan_tensors(struct plan *plan)
{
    const struct sdk_torch_list *tensors = &plan->pickle.tensors;
    size_t i;
    int status;

    plan->buffer.size_bytes = 0;
    status = put_count(plan, tensors->count, &plan->buffer);
    for (i = 0; i < tensors->count && status == CKPT_OK; i++)
        status = put_tensor(plan, &tensors->items[i], &plan->buffer);
    return status == CKPT_OK
               ? plan_member(plan, TORCH_TAR_TENSORS, &plan->buffer)
               : status;
}

/* ---- storages ---- */

static int
put_storage(struct plan *plan, const struct sdk_torch_use *use)
{
    struct sdk_pickler pickle = {0};
    int status;

    sdk_pickler_init(&pickle, plan->host);
    sdk_pickler_int(&pickle, (int64_t)use->key);
    sdk_pickler_string(&pickle, use->location);
    sdk_pickler_global(&pickle, "torch", sdk_torch_storage_class(use->dtype));
    sdk_pickler_tuple(&pickle, 3);
    status = take_pickle(plan, &pickle, &plan->heads);
    return status == CKPT_OK
               ? put_u64(plan, use->storage->size_bytes / use->item_bytes,
                         &plan->heads)
               : status;
}

/* All heads, and the size of the data behind them. */
static int
put_storages(struct plan *plan, uint64_t *data_bytes)
{
    const struct sdk_torch_pickle *all = &plan->pickle;
    uint64_t sum = 0;
    size_t i;
    int status = CKPT_OK;

    plan->ends = plan->host->allocate(plan->host, (all->use_count + 1) *
                                                      sizeof *plan->ends);
    if (plan->ends == NULL)
        return CKPT_MEMORY;
    status = put_count(plan, all->use_count, &plan->heads);
    for (i = 0; i < all->use_count && status == CKPT_OK; i++) {
        status = put_storage(plan, &all->uses[i]);
        plan->ends[i] = plan->heads.size_bytes;
        if (!sdk_add_u64(sum, all->uses[i].storage->size_bytes, &sum) ||
            sum > FILE_MAX)
            return plan->host->fail(plan->host, CKPT_UNSUPPORTED, NULL,
                                    CKPT_NOWHERE,
                                    "a file of more than 2^62 bytes");
    }
    *data_bytes = sum;
    return status;
}

static int
put_views(const struct plan *plan, struct sdk_buffer *out)
{
    const struct sdk_torch_list *views = &plan->pickle.views;
    struct sdk_pickler pickle = {0};
    size_t i, end;

    sdk_pickler_init(&pickle, plan->host);
    sdk_pickler_op(&pickle, SDK_OP_EMPTY_LIST);
    for (i = 0; i < views->count;) {
        end = i + SDK_PICKLER_BATCH;
        sdk_pickler_op(&pickle, SDK_OP_MARK);
        for (; i < views->count && i < end; i++) {
            const struct sdk_torch_listed *view = &views->items[i];

            sdk_pickler_op(&pickle, SDK_OP_MARK);
            sdk_pickler_int(&pickle, (int64_t)view->key);
            sdk_pickler_int(&pickle, (int64_t)plan->pickle.uses[view->use].key);
            sdk_pickler_int(&pickle, (int64_t)view->tensor->offset);
            sdk_pickler_int(&pickle, (int64_t)view->tensor->element_count);
            sdk_pickler_tuple(&pickle, 4);
        }
        sdk_pickler_op(&pickle, SDK_OP_APPENDS);
    }
    return take_pickle(plan, &pickle, out);
}

static int
plan_storage_data(const struct plan *plan)
{
    struct ckpt_segment data = {.kind = CKPT_SEGMENT_STORAGE};
    const struct sdk_torch_pickle *all = &plan->pickle;
    size_t i, from = 0;
    int status = CKPT_OK;

    for (i = 0; i < all->use_count && status == CKPT_OK; i++) {
        status =
            plan_bytes(plan, plan->heads.data + from, plan->ends[i] - from);
        from = plan->ends[i];
        data.storage = all->uses[i].storage;
        if (status == CKPT_OK && data.storage->size_bytes > 0)
            status = plan->host->plan_add(plan->host, plan->output, &data,
                                          sizeof data, NULL);
    }
    /* Without a storage the count is all there is. */
    return status == CKPT_OK ? plan_bytes(plan, plan->heads.data + from,
                                          plan->heads.size_bytes - from)
                             : status;
}

static int
plan_storages(struct plan *plan)
{
    uint64_t size_bytes = 0;
    int status = put_storages(plan, &size_bytes);

    plan->buffer.size_bytes = 0;
    if (status == CKPT_OK)
        status = put_views(plan, &plan->buffer);
    if (status != CKPT_OK)
        return status;
    size_bytes += plan->heads.size_bytes + plan->buffer.size_bytes;
    if (size_bytes >= TORCH_TAR_SIZE_WIDE) {
        status = plan_wide_size(plan, size_bytes);
        size_bytes = 0;
    }
    if (status == CKPT_OK)
        status = plan_header(plan, torch_tar_names[TORCH_TAR_STORAGES], '0',
                             size_bytes);
    if (status == CKPT_OK)
        status = plan_storage_data(plan);
    if (status == CKPT_OK)
        status = plan_bytes(plan, plan->buffer.data, plan->buffer.size_bytes);
    return status == CKPT_OK ? plan_close_member(plan) : status;
}

/* ---- All members ---- */

static int
plan_attributes(struct plan *plan, const struct ckpt_graph *graph)
{
    int status;

    plan->buffer.size_bytes = 0;
    status = sdk_torch_attributes_write(plan->host, graph, &plan->buffer);
    if (status != CKPT_OK || plan->buffer.size_bytes == 0)
        return status;
    return plan_member(plan, TORCH_TAR_ATTRIBUTES, &plan->buffer);
}

static int
torch_tar_plan_plan(const struct ckpt_host *host, void *self,
                    const struct ckpt_graph *graph, struct ckpt_plan *output)
{
    const struct torch_tar_plan *options = self;
    struct plan plan = {.host = host, .output = output};
    int status = sdk_torch_write(host, graph, SDK_TORCH_TAR, &plan.pickle);

    if (status == CKPT_OK && options->checked)
        status =
            sdk_torch_release_check(host, graph, &plan.pickle, SDK_TORCH_0_1);
    if (status == CKPT_OK)
        status = plan_sys_info(&plan);
    if (status == CKPT_OK)
        status = plan_member(&plan, TORCH_TAR_PICKLE, &plan.pickle.pickle.out);
    if (status == CKPT_OK)
        status = plan_tensors(&plan);
    if (status == CKPT_OK)
        status = plan_storages(&plan);
    if (status == CKPT_OK)
        status = plan_attributes(&plan, graph);
    if (status == CKPT_OK)
        status = plan_padding(&plan, 2 * BLOCK_BYTES);
    sdk_buffer_fini(host, &plan.buffer);
    sdk_buffer_fini(host, &plan.heads);
    host->release(host, plan.ends);
    sdk_torch_fini(host, &plan.pickle);
    return status;
}

static const char *const torch_tar_plan_releases[] = {"0.1", NULL};

static const struct ckpt_option torch_tar_plan_options[] = {
    {"torch", CKPT_OPTION_CHOICE, NULL,
     "refuse what this release does not load", torch_tar_plan_releases},
    {.kind = CKPT_OPTION_END}};

static const char *const torch_tar_plan_suffixes[] = {
    ".pth", ".pt", ".bin", ".ckpt", ".th", ".pth.tar", NULL};

const struct ckpt_writer torch_tar_writer = {
    .size = sizeof(struct ckpt_writer),
    .id = "torch-tar",
    .summary = "the tar archive of torch.save in PyTorch 0.1",
    .suffixes = torch_tar_plan_suffixes,
    .options = torch_tar_plan_options,
    .capabilities = CKPT_WRITES_IF_ASKED,
    .limits = {.holds = SDK_TORCH_HOLDS | CKPT_HOLDS_STRINGS,
               .dtypes = TORCH_TAR_DTYPES},
    .open = torch_tar_plan_open,
    .plan = torch_tar_plan_plan,
    .close = torch_tar_plan_close};
