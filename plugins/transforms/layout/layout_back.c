/* SPDX-License-Identifier: MIT
 *
 * From the tensors of torch to the weights of a layer of Keras: what
 * layout_forth.c does, the other way round. Sizes that torch does not keep,
 * heads and multipliers, come from the layer that is to be filled, or from
 * options.
 */
#include "layout.h"

struct back {
    struct layout_run *run;
    const struct layout_layer *layer;
    struct layout_plans *plans;
    struct layout_plan *plan; /* the last one */
};

static struct layout_item *
item_of(const struct back *back, uint32_t unit, uint32_t part, uint32_t slot)
{
    const struct layout_unit *from = back->layer->units[unit];

    return from != NULL ? from->torch[part][slot] : NULL;
}

static bool
has(const struct back *back, uint32_t slot)
{
    return item_of(back, 0, 0, slot) != NULL;
}

static int
back_add(struct back *back, const struct layout_item *item, uint32_t rank,
         uint32_t part, uint32_t role)
{
    if (item == NULL)
        return layout_refuse(back->run, back->layer,
                             "not all of its tensors are there");
    return layout_plan_add(back->run, back->layer, back->plans, item, rank,
                           part, role, &back->plan);
}

static int
back_same(struct back *back, uint32_t slot, uint32_t role)
{
    bool norm = back->layer->kind == LAYOUT_NORM;
    int status;

    if (!has(back, slot))
        return CKPT_OK;
    status = back_add(back, item_of(back, 0, 0, slot), norm ? 0 : 1, 0, role);
    if (status == CKPT_OK && norm)
        layout_plan_axes(back->plan, true);
    return status;
}

/* The item of Keras that is to be filled, or NULL. */
static const struct ckpt_tensor *
wanted(const struct back *back, uint32_t part, uint32_t role)
{
    const struct layout_item *item = back->layer->keras[part][role];

    return item != NULL ? item->tensor : NULL;
}

static int
back_flat(struct back *back)
{
    const struct layout_layer *layer = back->layer;
    struct layout_view *view = &back->plan->pieces[0];
    uint32_t order[LAYOUT_RANK_MAX], n = layer->flat_count, k;

    if (!layout_plan_flat(layer, view->shape[1]))
        return layout_refuse(back->run, layer,
                             "flatten says otherwise than its %llu inputs",
                             (unsigned long long)view->shape[1]);
    /* [out, channels, spatial ...] to [spatial ..., channels, out]. */
    for (k = n - 1; k > 0; k--)
        layout_view_split(view, 1, layer->flat[k - 1]);
    for (k = 0; k + 1 < n; k++)
        order[k] = k + 2;
    order[n - 1] = 1;
    order[n] = 0;
    layout_view_permute(view, order);
    layout_plan_merge(back->plan, 0, n);
    return CKPT_OK;
}

static int
back_kernel(struct back *back, uint32_t unit, uint32_t role)
{
    int status =
        back_add(back, item_of(back, unit, 0, LAYOUT_WEIGHT), 0, 0, role);

    if (status != CKPT_OK)
        return status;
    if (back->plan->rank < 2)
        return layout_refuse(back->run, back->layer,
                             "its weight has %u dimensions, which cannot be",
                             (unsigned)back->plan->rank);
    if (back->layer->flat_count > 0)
        return back_flat(back);
    layout_view_unswap(&back->plan->pieces[0]);
    layout_plan_shape(back->plan);
    return CKPT_OK;
}

static int
back_bias(struct back *back, uint32_t unit)
{
    const struct layout_item *item = item_of(back, unit, 0, LAYOUT_SHIFT);

    return item != NULL ? back_add(back, item, 1, 0, LAYOUT_BIAS) : CKPT_OK;
}

/* [in * multiplier, 1, spatial ...] to [spatial ..., in, multiplier]. */
static int
back_depth(struct back *back, uint32_t role)
{
    const struct ckpt_tensor *like = wanted(back, 0, role);
    uint32_t order[LAYOUT_RANK_MAX], rank, k;
    struct layout_view *view;
    uint64_t multiplier = back->layer->facts.multiplier;
    int status = back_add(back, item_of(back, 0, 0, LAYOUT_WEIGHT), 0, 0, role);

    if (status != CKPT_OK)
        return status;
    if (like != NULL && like->rank > 0)
        multiplier = like->shape[like->rank - 1];
    if (multiplier == 0)
        multiplier = 1;
    view = &back->plan->pieces[0];
    rank = view->rank;
    if (rank < 3 || view->shape[1] != 1 ||
        !layout_view_split(view, 0, multiplier))
        return layout_refuse(back->run, back->layer,
                             "its weight is not that of a depthwise "
                             "convolution, [channels * %llu, 1, ...]",
                             (unsigned long long)multiplier);
    layout_view_drop(view, 2);
    for (k = 0; k + 2 < rank; k++)
        order[k] = k + 2;
    order[rank - 2] = 0;
    order[rank - 1] = 1;
    layout_view_permute(view, order);
    layout_plan_shape(back->plan);
    return CKPT_OK;
}

static int
back_separable(struct back *back)
{
    int status = back_depth(back, LAYOUT_DEPTH_KERNEL);

    if (status == CKPT_OK && item_of(back, 0, 0, LAYOUT_SHIFT) != NULL)
        return layout_refuse(back->run, back->layer,
                             "the depthwise half has a bias in torch, which "
                             "Keras does not have");
    if (status == CKPT_OK)
        status = back_kernel(back, 1, LAYOUT_POINT_KERNEL);
    return status == CKPT_OK ? back_bias(back, 1) : status;
}

static int
back_norm(struct back *back)
{
    int status = back_same(back, LAYOUT_WEIGHT, LAYOUT_GAMMA);

    if (status == CKPT_OK)
        status = back_same(back, LAYOUT_SHIFT, LAYOUT_BETA);
    if (status == CKPT_OK)
        status = back_same(back, LAYOUT_RUNNING_MEAN, LAYOUT_MEAN);
    if (status == CKPT_OK)
        status = back_same(back, LAYOUT_RUNNING_VAR, LAYOUT_VARIANCE);
    return status;
}

/* [c] to [1, ..., 1, c]. */
static int
back_prelu(struct back *back)
{
    const struct ckpt_tensor *like = wanted(back, 0, LAYOUT_ALPHA);
    int status =
        back_add(back, item_of(back, 0, 0, LAYOUT_WEIGHT), 1, 0, LAYOUT_ALPHA);

    if (status != CKPT_OK)
        return status;
    while (like != NULL && back->plan->pieces[0].rank < like->rank &&
           back->plan->pieces[0].rank < LAYOUT_RANK_MAX)
        layout_view_insert(&back->plan->pieces[0], 0);
    layout_plan_shape(back->plan);
    return CKPT_OK;
}

/* ---- Recurrent layers ---- */

static int
back_table(struct back *back, uint32_t part, uint32_t slot, uint32_t role)
{
    int status = back_add(back, item_of(back, 0, part, slot), 2, part, role);

    if (status != CKPT_OK)
        return status;
    layout_view_swap(&back->plan->pieces[0]);
    layout_plan_shape(back->plan);
    if (back->layer->kind == LAYOUT_GRU)
        back->plan->how = LAYOUT_TURNED;
    return CKPT_OK;
}

/* Two biases to one, or, of a GRU, to two rows. */
static int
back_cell_bias(struct back *back, uint32_t part)
{
    struct layout_plan *plan, other;
    int status = back_add(back, item_of(back, 0, part, LAYOUT_BIAS_HH), 1, part,
                          LAYOUT_BIAS);
    size_t i;

    if (status != CKPT_OK)
        return status;
    other = *back->plan;
    back->plans->count--;
    status = back_add(back, item_of(back, 0, part, LAYOUT_BIAS_IH), 1, part,
                      LAYOUT_BIAS);
    if (status != CKPT_OK)
        return status;
    plan = back->plan;
    if (plan->shape[0] != other.shape[0] || plan->dtype != other.dtype)
        return layout_refuse(back->run, back->layer,
                             "its two biases are not alike");
    if (back->layer->kind != LAYOUT_GRU) {
        plan->how = LAYOUT_SUMMED;
        plan->pieces[1] = other.pieces[0];
        plan->piece_count = 2;
        return CKPT_OK;
    }
    layout_plan_gates(plan);
    layout_plan_gates(&other);
    for (i = 0; i < 3; i++)
        plan->pieces[3 + i] = other.pieces[i];
    plan->piece_count = 6;
    plan->rank = 2;
    plan->shape[1] = plan->shape[0];
    plan->shape[0] = 2;
    return CKPT_OK;
}

static int
back_cell(struct back *back, uint32_t part)
{
    uint64_t gates = layout_kind_gates(back->layer->kind);
    int status = back_table(back, part, LAYOUT_WEIGHT_IH, LAYOUT_KERNEL);

    if (status == CKPT_OK)
        status = back_table(back, part, LAYOUT_WEIGHT_HH, LAYOUT_RECURRENT);
    if (status != CKPT_OK)
        return status;
    if (back->plan->shape[1] % gates != 0 ||
        back->plan->shape[1] / gates != back->plan->shape[0] ||
        back->plan[-1].shape[1] != back->plan->shape[1])
        return layout_refuse(back->run, back->layer,
                             "its tensors are not those of such a layer");
    if (item_of(back, 0, part, LAYOUT_BIAS_IH) == NULL &&
        item_of(back, 0, part, LAYOUT_BIAS_HH) == NULL)
        return CKPT_OK;
    return back_cell_bias(back, part);
}

static int
back_recurrent(struct back *back)
{
    int status = back_cell(back, 0);

    if (status == CKPT_OK && back->layer->both)
        status = back_cell(back, 1);
    return status;
}

/* ---- Attention ---- */

static uint64_t
back_heads(const struct back *back)
{
    const struct ckpt_tensor *like = wanted(back, 0, LAYOUT_KERNEL);

    return like != NULL && like->rank == 3 ? like->shape[1]
                                           : back->layer->heads;
}

static int
back_input(struct back *back, uint32_t part, uint64_t heads)
{
    const struct layout_item *item = item_of(back, 0, 0, LAYOUT_IN_WEIGHT);
    struct layout_view *view;
    uint64_t width;
    int status = back_add(back, item, 2, part, LAYOUT_KERNEL);

    if (status != CKPT_OK)
        return status;
    view = &back->plan->pieces[0];
    width = view->shape[0] / 3;
    if (view->shape[0] % 3 != 0 || width % heads != 0 || width == 0)
        return layout_refuse(back->run, back->layer,
                             "%llu rows are no query, key and value of %llu "
                             "heads",
                             (unsigned long long)view->shape[0],
                             (unsigned long long)heads);
    layout_view_cut(view, 0, part * width, width);
    layout_view_split(view, 0, width / heads);
    layout_view_permute(view, (const uint32_t[]){2, 0, 1});
    layout_plan_shape(back->plan);
    item = item_of(back, 0, 0, LAYOUT_IN_BIAS);
    if (item == NULL)
        return CKPT_OK;
    status = back_add(back, item, 1, part, LAYOUT_BIAS);
    if (status != CKPT_OK)
        return status;
    view = &back->plan->pieces[0];
    if (view->shape[0] != 3 * width)
        return layout_refuse(back->run, back->layer,
                             "its bias is of another width");
    layout_view_cut(view, 0, part * width, width);
    layout_view_split(view, 0, width / heads);
    layout_plan_shape(back->plan);
    return CKPT_OK;
}

static int
back_attention(struct back *back)
{
    uint64_t heads = back_heads(back);
    uint32_t part;
    int status = CKPT_OK;

    if (heads == 0)
        return layout_refuse(back->run, back->layer,
                             "how many heads it has cannot be told: say "
                             "heads=N, or like=FILE");
    for (part = 0; part < 3 && status == CKPT_OK; part++)
        status = back_input(back, part, heads);
    if (status == CKPT_OK)
        status = back_add(back, item_of(back, 0, 0, LAYOUT_OUT_WEIGHT), 2, 3,
                          LAYOUT_KERNEL);
    if (status != CKPT_OK)
        return status;
    if (back->plan->shape[1] % heads != 0 || back->plan->shape[1] == 0)
        return layout_refuse(back->run, back->layer,
                             "%llu columns are no %llu heads",
                             (unsigned long long)back->plan->shape[1],
                             (unsigned long long)heads);
    layout_view_split(&back->plan->pieces[0], 1, back->plan->shape[1] / heads);
    layout_view_permute(&back->plan->pieces[0], (const uint32_t[]){1, 2, 0});
    layout_plan_shape(back->plan);
    if (has(back, LAYOUT_OUT_BIAS))
        status = back_add(back, item_of(back, 0, 0, LAYOUT_OUT_BIAS), 1, 3,
                          LAYOUT_BIAS);
    return status;
}

int
layout_back(struct layout_run *run, const struct layout_layer *layer,
            struct layout_plans *plans)
{
    struct back back = {.run = run, .layer = layer, .plans = plans};
    int status;

    plans->count = 0;
    switch (layer->kind) {
    case LAYOUT_DENSE:
    case LAYOUT_CONV:
        status = back_kernel(&back, 0, LAYOUT_KERNEL);
        return status == CKPT_OK ? back_bias(&back, 0) : status;
    case LAYOUT_DEPTHWISE:
        status = back_depth(&back, LAYOUT_KERNEL);
        return status == CKPT_OK ? back_bias(&back, 0) : status;
    case LAYOUT_SEPARABLE:
        return back_separable(&back);
    case LAYOUT_BATCH:
    case LAYOUT_NORM:
        return back_norm(&back);
    case LAYOUT_EMBEDDING:
        return back_add(&back, item_of(&back, 0, 0, LAYOUT_WEIGHT), 2, 0,
                        LAYOUT_EMBEDDINGS);
    case LAYOUT_PRELU:
        return back_prelu(&back);
    case LAYOUT_LSTM:
    case LAYOUT_GRU:
    case LAYOUT_RNN:
        return back_recurrent(&back);
    case LAYOUT_ATTENTION:
        return back_attention(&back);
    default:
        return layout_refuse(run, layer, "%s",
                             layer->why != NULL ? layer->why : "unknown");
    }
}
