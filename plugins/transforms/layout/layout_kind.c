/* SPDX-License-Identifier: MIT
 *
 * What a layer of Keras is, and which of its weights is what: from the class
 * that a user, the config or the path tells, else from the names and shapes
 * of the weights. What fits two classes is left unknown, with the reason.
 */
#include "layout.h"

#include <string.h>

#define WEIGHTS_MAX 8

uint32_t
layout_kind_roles(uint32_t kind)
{
    uint32_t kernel = 1U << LAYOUT_KERNEL | 1U << LAYOUT_BIAS;
    uint32_t scale = 1U << LAYOUT_GAMMA | 1U << LAYOUT_BETA;

    switch (kind) {
    case LAYOUT_SEPARABLE:
        return 1U << LAYOUT_DEPTH_KERNEL | 1U << LAYOUT_POINT_KERNEL |
               1U << LAYOUT_BIAS;
    case LAYOUT_BATCH:
        return scale | 1U << LAYOUT_MEAN | 1U << LAYOUT_VARIANCE;
    case LAYOUT_NORM:
        return scale;
    case LAYOUT_EMBEDDING:
        return 1U << LAYOUT_EMBEDDINGS;
    case LAYOUT_PRELU:
        return 1U << LAYOUT_ALPHA;
    case LAYOUT_LSTM:
    case LAYOUT_GRU:
    case LAYOUT_RNN:
        return kernel | 1U << LAYOUT_RECURRENT;
    default:
        return kernel;
    }
}

uint32_t
layout_kind_slots(uint32_t kind)
{
    uint32_t plain = 1U << LAYOUT_WEIGHT | 1U << LAYOUT_SHIFT;

    switch (kind) {
    case LAYOUT_BATCH:
        return plain | 1U << LAYOUT_RUNNING_MEAN | 1U << LAYOUT_RUNNING_VAR |
               1U << LAYOUT_BATCHES;
    case LAYOUT_LSTM:
    case LAYOUT_GRU:
    case LAYOUT_RNN:
        return 1U << LAYOUT_WEIGHT_IH | 1U << LAYOUT_WEIGHT_HH |
               1U << LAYOUT_BIAS_IH | 1U << LAYOUT_BIAS_HH;
    case LAYOUT_ATTENTION:
        return 1U << LAYOUT_IN_WEIGHT | 1U << LAYOUT_IN_BIAS |
               1U << LAYOUT_OUT_WEIGHT | 1U << LAYOUT_OUT_BIAS;
    default:
        return plain;
    }
}

static const char class_wanted[] =
    "what it is cannot be told by its weights: say class=%s=CLASS";

static int
kind_unknown(struct layout_run *run, struct layout_layer *layer,
             const char *why)
{
    layer->kind = LAYOUT_UNKNOWN;
    layer->why = why;
    if (why == NULL && layer->class != NULL && !layer->both)
        layer->why = "its weights are not those of such a layer";
    else if (why == NULL)
        layer->why = layout_printf(run, class_wanted, layer->name);
    return layer->why != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* ---- The class ---- */

/* What a wrapper holds, if the config says. */
static const struct layout_class *
class_of_facts(const struct layout_facts *facts)
{
    const char *name = facts->class_name;

    if (name != NULL && facts->inner_name != NULL)
        name = facts->inner_name;
    return name != NULL ? layout_class_find(name, strlen(name), false) : NULL;
}

/* The last part of a path or a name that is not `layer`. */
static const struct layout_class *
class_of_text(const char *text, size_t length, char separator)
{
    const char *at = memrchr(text, separator, length);
    const char *part = at != NULL ? at + 1 : text;
    size_t bytes = length - (size_t)(part - text);

    if (at != NULL && bytes == 5 && memcmp(part, "layer", 5) == 0)
        return NULL;
    return layout_class_find(part, bytes, true);
}

static const struct layout_class *
class_told(struct layout_run *run, const struct layout_layer *layer)
{
    bool exact;
    const struct layout_class *class =
        layout_option_class(run, layer->name, &exact);

    if (class == NULL)
        class = class_of_facts(&layer->facts);
    if (class == NULL && layer->facts.class_name == NULL && layer->numbered)
        class =
            class_of_text(layer->folder.data, layer->folder.size_bytes, '/');
    return class;
}

/* ---- Roles ---- */

static size_t
leaf_bytes(const struct layout_item *item)
{
    const char *leaf = item->name.data + item->leaf;
    const char *colon = strchr(leaf, ':');

    return colon != NULL ? (size_t)(colon - leaf)
                         : item->name.size_bytes - item->leaf;
}

/* By the names of the weights. False: one of them says nothing. */
static bool
roles_by_name(struct layout_layer *layer, uint32_t part)
{
    struct layout_item **roles = layer->keras[part], *item;
    uint32_t role;

    for (item = layer->parts[part]->first; item != NULL; item = item->next) {
        if (!layout_role_find(item->name.data + item->leaf, leaf_bytes(item),
                              &role) ||
            roles[role] != NULL)
            return false;
        roles[role] = item;
    }
    return true;
}

/* The weights of a part in the order of their numbers. */
static bool
numbered_items(const struct layout_layer *part, struct layout_item **items)
{
    struct layout_item *item;
    const char *leaf;

    memset(items, 0, WEIGHTS_MAX * sizeof *items);
    for (item = part->first; item != NULL; item = item->next) {
        leaf = item->name.data + item->leaf;
        if (leaf_bytes(item) != 1 || leaf[0] < '0' ||
            leaf[0] >= '0' + WEIGHTS_MAX || items[leaf[0] - '0'] != NULL)
            return false;
        items[leaf[0] - '0'] = item;
    }
    return part->weight_count <= WEIGHTS_MAX &&
           items[part->weight_count - 1] != NULL;
}

/* The roles that the numbers of a class stand for; false: so many are not
 * known to mean anything. */
static bool
roles_of_kind(const struct layout_layer *layer, size_t count, uint32_t *roles)
{
    static const uint32_t norm[] = {LAYOUT_GAMMA, LAYOUT_BETA, LAYOUT_MEAN,
                                    LAYOUT_VARIANCE};
    const struct layout_facts *facts = &layer->facts;
    size_t i, made = 0;

    switch (layer->kind) {
    case LAYOUT_BATCH:
    case LAYOUT_NORM:
        for (i = 0; i < (layer->kind == LAYOUT_BATCH ? 4 : 2); i++)
            if (!(i == 0 && facts->no_scale) && !(i == 1 && facts->no_center))
                roles[made++] = norm[i];
        if (layer->kind == LAYOUT_BATCH && count == 2 &&
            facts->class_name == NULL) {
            memcpy(roles, norm + 2, 2 * sizeof *roles);
            made = 2;
        }
        if (layer->class != NULL && count == 1 &&
            strcmp(layer->class->snake, "rms_normalization") == 0)
            made = 1;
        return made == count;
    case LAYOUT_LSTM:
    case LAYOUT_GRU:
    case LAYOUT_RNN:
        roles[made++] = LAYOUT_KERNEL;
        roles[made++] = LAYOUT_RECURRENT;
        break;
    case LAYOUT_SEPARABLE:
        roles[made++] = LAYOUT_DEPTH_KERNEL;
        roles[made++] = LAYOUT_POINT_KERNEL;
        break;
    case LAYOUT_EMBEDDING:
    case LAYOUT_PRELU:
        roles[0] =
            layer->kind == LAYOUT_PRELU ? LAYOUT_ALPHA : LAYOUT_EMBEDDINGS;
        return count == 1;
    default:
        roles[made++] = LAYOUT_KERNEL;
    }
    roles[made++] = LAYOUT_BIAS;
    return count == made || count == made - 1;
}

static bool
roles_by_number(struct layout_layer *layer, uint32_t part)
{
    const struct layout_layer *from = layer->parts[part];
    struct layout_item *items[WEIGHTS_MAX];
    uint32_t roles[WEIGHTS_MAX];
    size_t i;

    if (!numbered_items(from, items) ||
        !roles_of_kind(layer, from->weight_count, roles))
        return false;
    for (i = 0; i < from->weight_count; i++)
        layer->keras[part][roles[i]] = items[i];
    return true;
}

/* ---- Without a class ---- */

static uint64_t
extent_back(const struct ckpt_tensor *tensor, uint32_t nth)
{
    return tensor->rank >= nth ? tensor->shape[tensor->rank - nth] : 0;
}

uint32_t
layout_kind_gates(uint32_t kind)
{
    return kind == LAYOUT_LSTM  ? 4
           : kind == LAYOUT_GRU ? 3
           : kind == LAYOUT_RNN ? 1
                                : 0;
}

uint32_t
layout_kind_cell(const struct ckpt_tensor *recurrent, uint32_t inner)
{
    static const uint32_t kinds[] = {LAYOUT_LSTM, LAYOUT_GRU, LAYOUT_RNN};
    uint64_t width, gates;
    size_t i;

    if (recurrent->rank != 2)
        return LAYOUT_UNKNOWN;
    width = recurrent->shape[inner];
    gates = width > 0 ? recurrent->shape[1 - inner] / width : 0;
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (gates == layout_kind_gates(kinds[i]) &&
            recurrent->shape[1 - inner] % width == 0)
            return kinds[i];
    return LAYOUT_UNKNOWN;
}

/* A kernel of three and more dimensions is one of a convolution of each
 * channel or of all. The bias may tell; so does the name of the layer, if it
 * is the one that Keras gives. */
static uint32_t
kind_of_kernel(const struct layout_layer *layer,
               const struct layout_item *kernel, const struct layout_item *bias)
{
    const struct layout_class *class =
        class_of_text(layer->name, strlen(layer->name), '.');
    uint64_t out;

    if (kernel->tensor->rank == 2)
        return LAYOUT_DENSE;
    if (kernel->tensor->rank < 2)
        return LAYOUT_UNKNOWN;
    if (class != NULL && class->rank == kernel->tensor->rank)
        return class->kind;
    if (bias != NULL && bias->tensor->rank == 1) {
        out = bias->tensor->shape[0];
        if (out != extent_back(kernel->tensor, 2) &&
            out == extent_back(kernel->tensor, 1))
            return LAYOUT_CONV;
    }
    /* Keras 2, which marks its names so, calls the other one otherwise. */
    return strchr(kernel->name.data + kernel->leaf, ':') != NULL
               ? LAYOUT_CONV
               : LAYOUT_UNKNOWN;
}

static uint32_t
kind_by_name(struct layout_layer *layer)
{
    struct layout_item **roles = layer->keras[0];

    if (roles[LAYOUT_RECURRENT] != NULL)
        return layout_kind_cell(roles[LAYOUT_RECURRENT]->tensor, 0);
    if (roles[LAYOUT_POINT_KERNEL] != NULL)
        return LAYOUT_SEPARABLE;
    if (roles[LAYOUT_DEPTH_KERNEL] != NULL)
        return LAYOUT_DEPTHWISE;
    if (roles[LAYOUT_MEAN] != NULL)
        return LAYOUT_BATCH;
    if (roles[LAYOUT_GAMMA] != NULL || roles[LAYOUT_BETA] != NULL)
        return LAYOUT_NORM;
    if (roles[LAYOUT_EMBEDDINGS] != NULL)
        return LAYOUT_EMBEDDING;
    if (roles[LAYOUT_ALPHA] != NULL)
        return LAYOUT_PRELU;
    return roles[LAYOUT_KERNEL] == NULL
               ? LAYOUT_UNKNOWN
               : kind_of_kernel(layer, roles[LAYOUT_KERNEL],
                                roles[LAYOUT_BIAS]);
}

/* Weights that are only numbered: by how many there are, and their ranks. */
static uint32_t
kind_by_number(struct layout_layer *layer)
{
    struct layout_item *items[WEIGHTS_MAX];
    size_t count = layer->weight_count;
    uint32_t ranks[WEIGHTS_MAX] = {0};
    size_t i;

    if (!numbered_items(layer, items))
        return LAYOUT_UNKNOWN;
    for (i = 0; i < count; i++)
        ranks[i] = items[i]->tensor->rank;
    if (count >= 2 && ranks[0] == 2 && ranks[1] == 2)
        return layout_kind_cell(items[1]->tensor, 0);
    if (count >= 2 && ranks[0] >= 3 && ranks[1] == ranks[0])
        return LAYOUT_SEPARABLE;
    if (count == 2 && ranks[0] >= 2 && ranks[1] == 1)
        return kind_of_kernel(layer, items[0], items[1]);
    if (count == 4 && ranks[0] == 1)
        return LAYOUT_BATCH;
    return LAYOUT_UNKNOWN;
}

/* ---- All of it ---- */

static int
attention_tell(struct layout_run *run, struct layout_layer *layer)
{
    uint32_t part;

    layer->class = layout_class_of(LAYOUT_ATTENTION, 0);
    for (part = 0; part < LAYOUT_KERAS_PARTS; part++) {
        if (!(layer->numbered ? roles_by_number(layer, part)
                              : roles_by_name(layer, part)) ||
            layer->keras[part][LAYOUT_KERNEL] == NULL)
            return kind_unknown(run, layer,
                                "its weights are not as those of "
                                "a MultiHeadAttention");
    }
    return CKPT_OK;
}

/* A depthwise kernel has two names. */
static void
roles_settle(struct layout_layer *layer)
{
    struct layout_item **roles = layer->keras[0];

    if (layer->kind != LAYOUT_DEPTHWISE || roles[LAYOUT_KERNEL] != NULL)
        return;
    roles[LAYOUT_KERNEL] = roles[LAYOUT_DEPTH_KERNEL];
    roles[LAYOUT_DEPTH_KERNEL] = NULL;
}

static int
class_take(struct layout_run *run, struct layout_layer *layer)
{
    layer->class = class_told(run, layer);
    layout_option_facts(run, layer->name, layer);
    if (layer->class == NULL)
        return CKPT_OK;
    layer->kind = layer->class->kind;
    if (layer->kind == LAYOUT_REFUSED)
        return kind_unknown(run, layer, layer->class->why);
    if (layer->kind == LAYOUT_BOTH)
        layer->kind = LAYOUT_UNKNOWN;
    return CKPT_OK;
}

/* Whether all weights are such as the kind has. */
static bool
roles_fit(const struct layout_layer *layer)
{
    uint32_t part, role, roles = layout_kind_roles(layer->kind);

    for (part = 0; part < LAYOUT_KERAS_PARTS; part++)
        for (role = 0; role < LAYOUT_ROLE_COUNT; role++)
            if (layer->keras[part][role] != NULL && (roles >> role & 1) == 0)
                return false;
    return true;
}

/* What the weights of a cell do not tell, or what torch does not have. */
static void
cell_doubt(struct layout_run *run, const struct layout_layer *layer)
{
    const struct ckpt_host *host = run->host;
    bool cell = (layout_kind_roles(layer->kind) >> LAYOUT_RECURRENT & 1) != 0;

    if (cell && layer->facts.other_gates)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "layer '%.200s' (%s): its activations are others than "
                   "torch has, which will compute something else",
                   layer->name, layout_class_of(layer->kind, 0)->name);
    if (layer->kind == LAYOUT_GRU && layer->keras[0][LAYOUT_BIAS] == NULL &&
        layer->facts.class_name == NULL)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "layer '%.200s' (GRU): taken as one with "
                   "reset_after=True, which no bias tells",
                   layer->name);
}

int
layout_kind_tell(struct layout_run *run, struct layout_layer *layer)
{
    uint32_t part, parts = layer->both ? 2 : 1;
    bool good = true;
    int status;

    if (layer->kind == LAYOUT_ATTENTION)
        return attention_tell(run, layer);
    status = class_take(run, layer);
    if (status != CKPT_OK || layer->why != NULL)
        return status;
    for (part = 0; part < parts && good && !layer->numbered; part++)
        good = roles_by_name(layer, part);
    if (!good)
        return kind_unknown(run, layer, NULL);
    if (layer->kind == LAYOUT_UNKNOWN)
        layer->kind =
            layer->numbered ? kind_by_number(layer) : kind_by_name(layer);
    for (part = 0; part < parts && good && layer->numbered &&
                   layer->kind != LAYOUT_UNKNOWN;
         part++)
        good = roles_by_number(layer, part);
    if (!good && (layer->kind == LAYOUT_BATCH || layer->kind == LAYOUT_NORM))
        return kind_unknown(
            run, layer,
            layout_printf(run,
                          "whether it has a scale or a shift cannot be told: "
                          "say class=%s=%s:no-scale, or :no-center",
                          layer->name, layer->class->name));
    if (!good || layer->kind == LAYOUT_UNKNOWN)
        return kind_unknown(run, layer, NULL);
    roles_settle(layer);
    if (!roles_fit(layer))
        return kind_unknown(run, layer, NULL);
    cell_doubt(run, layer);
    return CKPT_OK;
}
