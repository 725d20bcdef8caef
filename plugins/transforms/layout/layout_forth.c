/* SPDX-License-Identifier: MIT
 *
 * From a layer of Keras to the tensors of torch. Kernels lie as [spatial ...,
 * in, out] in Keras, [out, in, spatial ...] in torch; both of a transposed
 * convolution have in and out the other way round.
 */
#include "layout.h"

struct forth {
    struct layout_run *run;
    const struct layout_layer *layer;
    struct layout_plans *plans;
    struct layout_plan *plan; /* the last one */
};

static int
forth_add(struct forth *forth, uint32_t part, uint32_t role, uint32_t rank,
          uint32_t to_part, uint32_t slot)
{
    const struct layout_item *item = forth->layer->keras[part][role];

    if (item == NULL)
        return layout_refuse(forth->run, forth->layer,
                             "not all of its weights are there");
    return layout_plan_add(forth->run, forth->layer, forth->plans, item, rank,
                           to_part, slot, &forth->plan);
}

static bool
has(const struct forth *forth, uint32_t part, uint32_t role)
{
    return forth->layer->keras[part][role] != NULL;
}

/* A bias as it is, if there is one. */
static int
forth_bias(struct forth *forth, uint32_t to_part)
{
    if (!has(forth, 0, LAYOUT_BIAS))
        return CKPT_OK;
    return forth_add(forth, 0, LAYOUT_BIAS, 1, to_part, LAYOUT_SHIFT);
}

/* [spatial ..., channels] was flattened; torch flattens [channels, spatial
 * ...]. */
static int
forth_flat(struct forth *forth)
{
    const struct layout_layer *layer = forth->layer;
    struct layout_view *view = &forth->plan->pieces[0];
    uint32_t order[LAYOUT_RANK_MAX], n = layer->flat_count, k;

    if (!layout_plan_flat(layer, view->shape[0]))
        return layout_refuse(forth->run, layer,
                             "flatten says otherwise than its %llu inputs",
                             (unsigned long long)view->shape[0]);
    for (k = n - 1; k > 0; k--)
        layout_view_split(view, 0, layer->flat[k]);
    /* What split gives last comes first: [out-most, ..., channels, out]. */
    order[0] = n;
    order[1] = n - 1;
    for (k = 0; k + 1 < n; k++)
        order[k + 2] = k;
    layout_view_permute(view, order);
    layout_plan_merge(forth->plan, 1, n);
    return CKPT_OK;
}

static int
forth_kernel(struct forth *forth, uint32_t role, uint32_t rank,
             uint32_t to_part)
{
    int status = forth_add(forth, 0, role, rank, to_part, LAYOUT_WEIGHT);

    if (status != CKPT_OK)
        return status;
    if (forth->plan->rank < 2)
        return layout_refuse(forth->run, forth->layer,
                             "its kernel has %u dimensions, which cannot be",
                             (unsigned)forth->plan->rank);
    if (forth->layer->flat_count > 0)
        return forth_flat(forth);
    layout_view_swap(&forth->plan->pieces[0]);
    layout_plan_shape(forth->plan);
    return CKPT_OK;
}

static int
forth_plain(struct forth *forth)
{
    uint32_t rank = forth->layer->kind == LAYOUT_DENSE ? 2 : 0;
    int status = forth_kernel(forth, LAYOUT_KERNEL, rank, 0);

    if (status == CKPT_OK && rank == 0 &&
        (forth->plan->rank < 3 || forth->plan->rank > 5))
        return layout_refuse(forth->run, forth->layer,
                             "its kernel has %u dimensions, which cannot be",
                             (unsigned)forth->plan->rank);
    return status == CKPT_OK ? forth_bias(forth, 0) : status;
}

/* [spatial ..., in, multiplier] to [in * multiplier, 1, spatial ...]. */
static int
forth_depth(struct forth *forth, uint32_t role)
{
    int status = forth_add(forth, 0, role, 0, 0, LAYOUT_WEIGHT);
    uint32_t order[LAYOUT_RANK_MAX], rank, k;
    struct layout_view *view;

    if (status != CKPT_OK)
        return status;
    view = &forth->plan->pieces[0];
    rank = view->rank;
    if (rank < 3)
        return layout_refuse(forth->run, forth->layer,
                             "its kernel has %u dimensions, which cannot be",
                             (unsigned)rank);
    order[0] = rank - 2;
    order[1] = rank - 1;
    for (k = 2; k < rank; k++)
        order[k] = k - 2;
    layout_view_permute(view, order);
    layout_view_insert(view, 2);
    layout_plan_merge(forth->plan, 0, 2);
    return CKPT_OK;
}

static int
forth_separable(struct forth *forth)
{
    int status = forth_depth(forth, LAYOUT_DEPTH_KERNEL);

    if (status == CKPT_OK)
        status = forth_kernel(forth, LAYOUT_POINT_KERNEL, 0, 1);
    return status == CKPT_OK ? forth_bias(forth, 1) : status;
}

/* A scale or shift that Keras left out is one that changes nothing. torch has
 * both or none in batch normalisation. */
static int
forth_scale(struct forth *forth, uint32_t role, uint32_t slot)
{
    static const uint32_t all[] = {LAYOUT_GAMMA, LAYOUT_BETA, LAYOUT_MEAN};
    const struct layout_item *item = forth->layer->keras[0][role];
    bool norm = forth->layer->kind == LAYOUT_NORM, there = item != NULL;
    bool other =
        has(forth, 0, role == LAYOUT_GAMMA ? LAYOUT_BETA : LAYOUT_GAMMA);
    size_t i;
    int status;

    for (i = 0; i < 3 && item == NULL; i++)
        item = forth->layer->keras[0][all[i]];
    if (item == NULL)
        return CKPT_OK;
    status = layout_plan_add(forth->run, forth->layer, forth->plans, item,
                             norm ? 0 : 1, 0, slot, &forth->plan);
    if (status != CKPT_OK)
        return status;
    if (norm)
        layout_plan_axes(forth->plan, false);
    if (there)
        return CKPT_OK;
    forth->plan->how = LAYOUT_FILLED;
    forth->plan->attrs = NULL;
    forth->plan->ones = role == LAYOUT_GAMMA;
    forth->plan->optional = true;
    forth->plan->spare = !other || (norm && role == LAYOUT_BETA);
    return CKPT_OK;
}

static int
forth_norm(struct forth *forth)
{
    int status = forth_scale(forth, LAYOUT_GAMMA, LAYOUT_WEIGHT);

    if (status == CKPT_OK)
        status = forth_scale(forth, LAYOUT_BETA, LAYOUT_SHIFT);
    return status;
}

static int
forth_batch(struct forth *forth)
{
    struct layout_plan *counter;
    int status = forth_norm(forth);

    if (status == CKPT_OK)
        status = forth_add(forth, 0, LAYOUT_MEAN, 1, 0, LAYOUT_RUNNING_MEAN);
    if (status == CKPT_OK)
        status = forth_add(forth, 0, LAYOUT_VARIANCE, 1, 0, LAYOUT_RUNNING_VAR);
    if (status != CKPT_OK)
        return status;
    counter =
        layout_plan_fill(forth->plans, forth->plan, 0, LAYOUT_BATCHES, false);
    counter->dtype = CKPT_INT64;
    counter->rank = 0;
    counter->optional = true;
    return CKPT_OK;
}

/* [1, ..., 1, c] to [c]. */
static int
forth_prelu(struct forth *forth)
{
    int status = forth_add(forth, 0, LAYOUT_ALPHA, 0, 0, LAYOUT_WEIGHT);
    uint32_t k;

    if (status != CKPT_OK)
        return status;
    for (k = 0; k + 1 < forth->plan->rank; k++)
        if (forth->plan->shape[k] != 1)
            return layout_refuse(forth->run, forth->layer,
                                 "its slopes differ along more than the "
                                 "channels, which torch does not have");
    if (forth->plan->rank == 0)
        return layout_refuse(forth->run, forth->layer, "it has no dimension");
    layout_plan_merge(forth->plan, 0, forth->plan->rank);
    return CKPT_OK;
}

/* ---- Recurrent layers ---- */

static int
forth_table(struct forth *forth, uint32_t part, uint32_t role, uint32_t slot,
            uint64_t gates)
{
    int status = forth_add(forth, part, role, 2, part, slot);

    if (status != CKPT_OK)
        return status;
    layout_view_swap(&forth->plan->pieces[0]);
    layout_plan_shape(forth->plan);
    if (forth->plan->shape[0] % gates != 0)
        return layout_refuse(forth->run, forth->layer,
                             "%llu columns are no %llu gates",
                             (unsigned long long)forth->plan->shape[0],
                             (unsigned long long)gates);
    if (gates == 3)
        layout_plan_gates(forth->plan);
    return CKPT_OK;
}

/* Keras has one bias, torch two of which the sum counts. */
static int
forth_cell_bias(struct forth *forth, uint32_t part)
{
    int status = forth_add(forth, part, LAYOUT_BIAS, 1, part, LAYOUT_BIAS_IH);

    if (status == CKPT_OK)
        layout_plan_fill(forth->plans, forth->plan, part, LAYOUT_BIAS_HH,
                         false);
    return status;
}

/* [2, 3h]: the input's and the recurrent one. */
static int
forth_gru_bias(struct forth *forth, uint32_t part)
{
    uint32_t row;
    int status = CKPT_OK;

    if (forth->layer->keras[part][LAYOUT_BIAS]->tensor->rank == 1)
        return layout_refuse(
            forth->run, forth->layer,
            "reset_after=False, which torch has nothing like: the reset gate "
            "applies before the product");
    for (row = 0; row < 2 && status == CKPT_OK; row++) {
        status =
            forth_add(forth, part, LAYOUT_BIAS, 2, part, LAYOUT_BIAS_IH + row);
        if (status != CKPT_OK)
            break;
        if (forth->plan->shape[0] != 2 || forth->plan->shape[1] % 3 != 0)
            return layout_refuse(forth->run, forth->layer,
                                 "its bias is not two of three gates");
        layout_view_cut(&forth->plan->pieces[0], 0, row, 1);
        layout_view_drop(&forth->plan->pieces[0], 0);
        layout_plan_gates(forth->plan);
    }
    return status;
}

static int
forth_cell(struct forth *forth, uint32_t part)
{
    uint32_t kind = forth->layer->kind;
    uint64_t gates = layout_kind_gates(kind);
    int status =
        forth_table(forth, part, LAYOUT_KERNEL, LAYOUT_WEIGHT_IH, gates);

    if (status == CKPT_OK)
        status =
            forth_table(forth, part, LAYOUT_RECURRENT, LAYOUT_WEIGHT_HH, gates);
    if (status != CKPT_OK)
        return status;
    if (kind == LAYOUT_GRU && forth->layer->facts.no_reset_after)
        return layout_refuse(
            forth->run, forth->layer,
            "reset_after=False, which torch has nothing like: the reset gate "
            "applies before the product");
    if (!has(forth, part, LAYOUT_BIAS))
        return CKPT_OK;
    return kind == LAYOUT_GRU ? forth_gru_bias(forth, part)
                              : forth_cell_bias(forth, part);
}

static int
forth_recurrent(struct forth *forth)
{
    int status = forth_cell(forth, 0);

    if (status == CKPT_OK && forth->layer->both)
        status = forth_cell(forth, 1);
    return status;
}

/* ---- Attention ---- */

/* Kernel or bias of query, key and value, one below the other. */
static int
forth_inputs(struct forth *forth, uint32_t role, uint32_t slot)
{
    struct layout_plan *plan = NULL;
    uint32_t part;
    int status = CKPT_OK;

    for (part = 0; part < 3 && status == CKPT_OK; part++) {
        status = forth_add(forth, part, role, role == LAYOUT_KERNEL ? 3 : 2, 0,
                           slot);
        if (status != CKPT_OK)
            break;
        if (role == LAYOUT_KERNEL)
            layout_view_permute(&forth->plan->pieces[0],
                                (const uint32_t[]){1, 2, 0});
        layout_plan_merge(forth->plan, 0, 2);
        if (plan == NULL) {
            plan = forth->plan;
            continue;
        }
        forth->plans->count--;
        if (forth->plan->shape[0] != plan->shape[0] / part ||
            forth->plan->shape[1] != plan->shape[1])
            return layout_refuse(forth->run, forth->layer,
                                 "query, key and value are not of one size");
        plan->pieces[part] = forth->plan->pieces[0];
        plan->piece_count++;
        plan->shape[0] += forth->plan->shape[0];
        plan->how = LAYOUT_JOINED;
    }
    return status;
}

static int
forth_attention(struct forth *forth)
{
    int status = forth_inputs(forth, LAYOUT_KERNEL, LAYOUT_IN_WEIGHT);
    uint64_t width;

    if (status != CKPT_OK)
        return status;
    width = forth->plan->shape[1];
    if (has(forth, 0, LAYOUT_BIAS))
        status = forth_inputs(forth, LAYOUT_BIAS, LAYOUT_IN_BIAS);
    if (status == CKPT_OK)
        status = forth_add(forth, 3, LAYOUT_KERNEL, 3, 0, LAYOUT_OUT_WEIGHT);
    if (status != CKPT_OK)
        return status;
    layout_view_permute(&forth->plan->pieces[0], (const uint32_t[]){2, 0, 1});
    layout_plan_merge(forth->plan, 1, 2);
    if (forth->plan->shape[0] != width || forth->plan->shape[1] != width)
        return layout_refuse(forth->run, forth->layer,
                             "heads and their width do not make the width of "
                             "the input, as torch has it");
    if (has(forth, 3, LAYOUT_BIAS))
        status = forth_add(forth, 3, LAYOUT_BIAS, 1, 0, LAYOUT_OUT_BIAS);
    return status;
}

int
layout_forth(struct layout_run *run, const struct layout_layer *layer,
             struct layout_plans *plans)
{
    struct forth forth = {.run = run, .layer = layer, .plans = plans};
    int status;

    plans->count = 0;
    switch (layer->kind) {
    case LAYOUT_DENSE:
    case LAYOUT_CONV:
        return forth_plain(&forth);
    case LAYOUT_DEPTHWISE:
        status = forth_depth(&forth, LAYOUT_KERNEL);
        return status == CKPT_OK ? forth_bias(&forth, 0) : status;
    case LAYOUT_SEPARABLE:
        return forth_separable(&forth);
    case LAYOUT_BATCH:
        return forth_batch(&forth);
    case LAYOUT_NORM:
        return forth_norm(&forth);
    case LAYOUT_EMBEDDING:
        return forth_add(&forth, 0, LAYOUT_EMBEDDINGS, 2, 0, LAYOUT_WEIGHT);
    case LAYOUT_PRELU:
        return forth_prelu(&forth);
    case LAYOUT_LSTM:
    case LAYOUT_GRU:
    case LAYOUT_RNN:
        return forth_recurrent(&forth);
    case LAYOUT_ATTENTION:
        return forth_attention(&forth);
    default:
        run->host->remedy(run->host,
                          "other=keep keeps what is of no known layer as it "
                          "is, other=drop leaves it out");
        return layout_refuse(run, layer, "%s",
                             layer->why != NULL ? layer->why : "unknown");
    }
}
