/* SPDX-License-Identifier: MIT
 *
 * Merging an adapter: which tensor of the model each of its parts changes, and
 * how.
 */
#include "arithmetic.h"

#include <stdio.h>
#include <string.h>

struct lora {
    struct arithmetic_run *run;
    struct arithmetic_adapter adapter;
    struct sdk_table names;   /* of the model */
    bool *changed;            /* of each entry of the model */
    struct sdk_buffer buffer; /* a name that is sought */
    char missing[200];
    size_t missing_count;
};

/* The entry of the model, or SIZE_MAX after noting that there is none. */
static int
model_find(struct lora *lora, const struct ckpt_text *name, const char *more,
           size_t *index)
{
    const struct ckpt_host *host = lora->run->host;
    const uint64_t *found;
    size_t used = strlen(lora->missing);
    int status;

    lora->buffer.size_bytes = 0;
    status =
        sdk_buffer_append(host, &lora->buffer, name->data, name->size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &lora->buffer, more, strlen(more) + 1);
    if (status != CKPT_OK)
        return status;
    found = sdk_table_find(&lora->names, lora->buffer.data,
                           lora->buffer.size_bytes - 1);
    *index = found != NULL ? (size_t)*found : SIZE_MAX;
    if (found == NULL && lora->missing_count++ < 3)
        snprintf(lora->missing + used, sizeof lora->missing - used, "%s'%.50s'",
                 used > 0 ? ", " : "", (const char *)lora->buffer.data);
    return CKPT_OK;
}

static int
missing_fail(const struct lora *lora)
{
    char more[40] = "";

    if (lora->missing_count > 3)
        snprintf(more, sizeof more, " and %zu more", lora->missing_count - 3);
    return lora->run->host->fail(
        lora->run->host, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
        "the adapter is for %s%s, which the model has not: 'rename:', "
        "'add-prefix:' or 'root:' may bring them together",
        lora->missing, more);
}

/* Each tensor is changed once; its other names change with it. */
static int
change_begin(struct lora *lora, size_t index, bool *changes)
{
    const struct arithmetic_run *run = lora->run;
    const struct ckpt_entry *entry = &run->graphs[0]->entries[index];
    const struct ckpt_tensor *tensor = entry->value->as.tensor;

    *changes = false;
    if (lora->changed[index])
        return run->host->fail(run->host, CKPT_CONFLICT, entry->name.data,
                               CKPT_NOWHERE,
                               "the adapter changes it twice, by two names: "
                               "'untie:' first");
    if (!arithmetic_is_float(tensor->dtype) ||
        arithmetic_component(tensor->dtype) != tensor->dtype)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, entry->name.data,
                               CKPT_NOWHERE, "an adapter cannot change %s",
                               ckpt_dtype_name(tensor->dtype));
    *changes = tensor->storage->place != CKPT_PLACE_ABSENT &&
               arithmetic_has_place(run, index);
    return CKPT_OK;
}

/* Puts the new tensor wherever the old one is. */
static int
change_put(struct lora *lora, size_t index, const struct ckpt_storage *storage,
           const uint64_t *strides, uint64_t offset, uint32_t flips)
{
    struct arithmetic_run *run = lora->run;
    const struct ckpt_entry *entries = run->graphs[0]->entries, *other;
    const struct ckpt_tensor *tensor = entries[index].value->as.tensor;
    size_t k = run->heads[tensor->storage->id];
    int status = CKPT_OK;

    for (; k > 0 && status == CKPT_OK; k = run->chain[k - 1]) {
        other = &entries[k - 1];
        if (!arithmetic_views_equal(tensor, other->value->as.tensor)) {
            run->host->warn(run->host, entries[index].name.data, CKPT_NOWHERE,
                            "it no longer shares its storage with '%.200s'",
                            other->name.data);
            continue;
        }
        if (k - 1 != index)
            run->host->warn(run->host, other->name.data, CKPT_NOWHERE,
                            "it is tied to '%.200s', and changes with it",
                            entries[index].name.data);
        lora->changed[k - 1] = true;
        if (arithmetic_has_place(run, k - 1))
            status =
                arithmetic_put(run, k - 1, storage, strides, offset, flips);
    }
    return status;
}

/* ---- Products ---- */

/* Whether the rest of the shape is ones. */
static bool
matrix_flat(const struct ckpt_tensor *tensor)
{
    uint32_t d;

    for (d = 2; d < tensor->rank; d++)
        if (tensor->shape[d] != 1)
            return false;
    return tensor->rank >= 2;
}

static bool
fits_plain(const struct ckpt_tensor *to, const struct ckpt_tensor *a,
           const struct ckpt_tensor *b)
{
    return to->rank == a->rank && to->rank == b->rank &&
           to->shape[0] == b->shape[0] &&
           memcmp(to->shape + 1, a->shape + 1,
                  (a->rank - 1) * sizeof *a->shape) == 0;
}

static bool
fits_transposed(const struct ckpt_tensor *to, const struct ckpt_tensor *a,
                const struct ckpt_tensor *b)
{
    return to->rank == 2 && a->rank == 2 && b->rank == 2 &&
           to->shape[0] == a->shape[1] && to->shape[1] == b->shape[0];
}

static int
site_misfit(const struct lora *lora, const struct arithmetic_site *site,
            const struct ckpt_entry *entry)
{
    char to[120], a[120], b[120];

    return lora->run->host->fail(
        lora->run->host, CKPT_CONFLICT, entry->name.data, CKPT_NOWHERE,
        "it is %s, and its adapter is %s and %s",
        arithmetic_shape(entry->value->as.tensor, to),
        arithmetic_shape(site->parts[ARITHMETIC_PART_A]->value->as.tensor, a),
        arithmetic_shape(site->parts[ARITHMETIC_PART_B]->value->as.tensor, b));
}

static int
part_check(const struct lora *lora, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;

    if (tensor->storage->place != CKPT_PLACE_ABSENT &&
        arithmetic_is_float(tensor->dtype) &&
        arithmetic_component(tensor->dtype) == tensor->dtype)
        return CKPT_OK;
    return lora->run->host->fail(lora->run->host, CKPT_UNSUPPORTED,
                                 entry->name.data, CKPT_NOWHERE,
                                 "it has no bytes, or is no float");
}

/* Where both fit, the matrix being square, the configuration tells. */
static int
site_orient(const struct lora *lora, const struct arithmetic_site *site,
            const struct ckpt_entry *entry, bool *transposed)
{
    const struct ckpt_tensor *to = entry->value->as.tensor;
    const struct ckpt_tensor *a =
        site->parts[ARITHMETIC_PART_A]->value->as.tensor;
    const struct ckpt_tensor *b =
        site->parts[ARITHMETIC_PART_B]->value->as.tensor;
    bool plain, turned;

    if (a->rank < 2 || !matrix_flat(b) || a->shape[0] != b->shape[1] ||
        a->shape[0] == 0)
        return site_misfit(lora, site, entry);
    plain = !site->embedding && fits_plain(to, a, b);
    turned = fits_transposed(to, a, b);
    if (!plain && !turned)
        return site_misfit(lora, site, entry);
    *transposed = turned && (!plain || lora->run->self->config->transposed);
    return CKPT_OK;
}

static int
site_product(struct lora *lora, const struct arithmetic_site *site,
             size_t index)
{
    static const uint32_t turn[] = {1, 0};
    struct arithmetic_run *run = lora->run;
    const struct ckpt_entry *entry = &run->graphs[0]->entries[index];
    const struct ckpt_tensor *a =
        site->parts[ARITHMETIC_PART_A]->value->as.tensor;
    const struct ckpt_tensor *b =
        site->parts[ARITHMETIC_PART_B]->value->as.tensor;
    const struct ckpt_tensor *to = entry->value->as.tensor;
    const struct ckpt_storage *storage;
    struct arithmetic_job *job;
    bool transposed;
    double factor;
    int status = site_orient(lora, site, entry, &transposed);

    if (status == CKPT_OK)
        status = arithmetic_config_factor(run, &site->module,
                                          (double)a->shape[0], &factor);
    if (status != CKPT_OK || to->element_count == 0)
        return status;
    if (transposed)
        status = arithmetic_reorder(run, turn, &a);
    if (transposed && status == CKPT_OK)
        status = arithmetic_reorder(run, turn, &b);
    if (status == CKPT_OK)
        status = arithmetic_job_new(run, 3, &job);
    if (status != CKPT_OK)
        return status;
    job->how = ARITHMETIC_PRODUCT;
    job->dtype = to->dtype;
    job->name = entry->name.data;
    arithmetic_input_add(job, to, 1);
    arithmetic_input_add(job, transposed ? a : b, 1);
    arithmetic_input_add(job, transposed ? b : a, factor);
    status = arithmetic_storage(run, job, to->element_count,
                                to->storage->device, &storage);
    if (status == CKPT_OK)
        status = change_put(lora, index, storage, NULL, 0, 0);
    return status;
}

/* ---- Whole tensors, and sums of two ---- */

/* The model's tensor times `keep`, plus the adapter's times `factor`. */
static int
sum_put(struct lora *lora, size_t index, const struct ckpt_entry *from,
        double keep, double factor)
{
    struct arithmetic_run *run = lora->run;
    const struct ckpt_entry *entry = &run->graphs[0]->entries[index];
    const struct ckpt_tensor *to = entry->value->as.tensor;
    const struct ckpt_storage *storage;
    struct arithmetic_job *job;
    int status = arithmetic_job_new(run, 2, &job);

    if (status != CKPT_OK)
        return status;
    job->how = ARITHMETIC_SUM;
    job->dtype = to->dtype;
    job->divisor = 1;
    job->name = entry->name.data;
    if (keep != 0)
        arithmetic_input_add(job, to, keep);
    arithmetic_input_add(job, from->value->as.tensor, factor);
    status = arithmetic_storage(run, job, to->element_count,
                                to->storage->device, &storage);
    if (status == CKPT_OK)
        status = change_put(lora, index, storage, NULL, 0, 0);
    return status;
}

static int
shape_check(const struct lora *lora, const struct ckpt_entry *entry,
            const struct ckpt_entry *from)
{
    const struct ckpt_tensor *to = entry->value->as.tensor;
    const struct ckpt_tensor *tensor = from->value->as.tensor;
    char here[120], there[120];

    if (arithmetic_shapes_equal(to, tensor))
        return CKPT_OK;
    return lora->run->host->fail(
        lora->run->host, CKPT_CONFLICT, entry->name.data, CKPT_NOWHERE,
        "it is %s, and %s in the adapter", arithmetic_shape(to, here),
        arithmetic_shape(tensor, there));
}

static int
whole_put(struct lora *lora, const struct ckpt_entry *from)
{
    struct arithmetic_run *run = lora->run;
    const struct ckpt_tensor *tensor = from->value->as.tensor;
    const struct ckpt_entry *entry;
    struct ckpt_text name;
    size_t index;
    bool changes;
    int status = arithmetic_adapter_whole(&lora->adapter, from, &name);

    if (status == CKPT_OK)
        status = model_find(lora, &name, "", &index);
    if (status != CKPT_OK || index == SIZE_MAX)
        return status;
    entry = &run->graphs[0]->entries[index];
    status = shape_check(lora, entry, from);
    if (status == CKPT_OK)
        status = part_check(lora, from);
    if (status == CKPT_OK)
        status = change_begin(lora, index, &changes);
    if (status != CKPT_OK || !changes)
        return status;
    if (tensor->dtype == entry->value->as.tensor->dtype)
        return change_put(lora, index, tensor->storage, tensor->strides,
                          tensor->offset, tensor->flips);
    return sum_put(lora, index, from, 0, 1);
}

static int
site_bias(struct lora *lora, const struct arithmetic_site *site)
{
    const struct ckpt_entry *from = site->parts[ARITHMETIC_PART_BIAS];
    const struct ckpt_tensor *b =
        site->parts[ARITHMETIC_PART_B]->value->as.tensor;
    double factor = 1;
    size_t index;
    bool changes = false;
    int status = model_find(lora, &site->module, ".bias", &index);

    if (status != CKPT_OK || index == SIZE_MAX)
        return status;
    status = shape_check(lora, &lora->run->graphs[0]->entries[index], from);
    if (status == CKPT_OK)
        status = part_check(lora, from);
    if (status == CKPT_OK)
        status = change_begin(lora, index, &changes);
    if (status == CKPT_OK)
        status = arithmetic_config_factor(lora->run, &site->module,
                                          (double)b->shape[1], &factor);
    return status == CKPT_OK && changes ? sum_put(lora, index, from, 1, factor)
                                        : status;
}

static int
site_merge(struct lora *lora, const struct arithmetic_site *site)
{
    const struct ckpt_entry *any = site->parts[ARITHMETIC_PART_A];
    size_t index;
    bool changes = false;
    int status;

    if (any == NULL || site->parts[ARITHMETIC_PART_B] == NULL) {
        any = any != NULL ? any : site->parts[ARITHMETIC_PART_B];
        any = any != NULL ? any : site->parts[ARITHMETIC_PART_BIAS];
        return lora->run->host->fail(lora->run->host, CKPT_CONFLICT,
                                     any->name.data, CKPT_NOWHERE,
                                     "the adapter has only one of lora_A and "
                                     "lora_B");
    }
    status = model_find(lora, &site->module, ".weight", &index);
    if (status != CKPT_OK || index == SIZE_MAX)
        return status;
    status = part_check(lora, any);
    if (status == CKPT_OK)
        status = part_check(lora, site->parts[ARITHMETIC_PART_B]);
    if (status == CKPT_OK)
        status = change_begin(lora, index, &changes);
    if (status == CKPT_OK && changes)
        status = site_product(lora, site, index);
    if (status == CKPT_OK && site->parts[ARITHMETIC_PART_BIAS] != NULL)
        status = site_bias(lora, site);
    return status;
}

/* ---- All of it ---- */

static int
lora_merge(struct lora *lora)
{
    const struct ckpt_graph *graph = lora->run->graphs[1];
    const struct arithmetic_adapter *adapter = &lora->adapter;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < adapter->site_count && status == CKPT_OK; i++)
        status = site_merge(lora, &adapter->sites[i]);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        if (!arithmetic_adapter_is_part(&graph->entries[i]))
            status = whole_put(lora, &graph->entries[i]);
    return status == CKPT_OK && lora->missing_count > 0 ? missing_fail(lora)
                                                        : status;
}

int
arithmetic_lora(struct arithmetic_run *run)
{
    const struct ckpt_host *host = run->host;
    struct lora lora = {.run = run};
    int status = arithmetic_config_take(run);

    if (status != CKPT_OK)
        return status;
    status = arithmetic_adapter_init(run, &lora.adapter);
    lora.changed = host->allocate(host, run->graphs[0]->entry_count + 1);
    if (status == CKPT_OK && lora.changed == NULL)
        status = CKPT_MEMORY;
    if (status == CKPT_OK)
        status = arithmetic_names(run, 0, &lora.names);
    if (status == CKPT_OK)
        status = lora_merge(&lora);
    arithmetic_adapter_fini(&lora.adapter);
    sdk_table_fini(host, &lora.names);
    sdk_buffer_fini(host, &lora.buffer);
    host->release(host, lora.changed);
    return status;
}
