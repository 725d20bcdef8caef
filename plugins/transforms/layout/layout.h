/* SPDX-License-Identifier: MIT
 *
 * What the files of `layout` share: the tensors of a graph, put together as
 * layers of Keras and as modules of torch, and what one is made of from the
 * other.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "ckpt/plugin.h"
#include "hash_table.h"
#include "jobs.h"
#include "layout_view.h"

/* ---- Classes of layers ---- */

enum layout_kind {
    LAYOUT_UNKNOWN = 0,
    LAYOUT_DENSE,
    LAYOUT_CONV, /* and its transpose: the bytes lie alike */
    LAYOUT_DEPTHWISE,
    LAYOUT_SEPARABLE,
    LAYOUT_BATCH, /* batch normalisation */
    LAYOUT_NORM,  /* those of one sample: a scale and a shift */
    LAYOUT_EMBEDDING,
    LAYOUT_LSTM,
    LAYOUT_GRU,
    LAYOUT_RNN,
    LAYOUT_PRELU,
    LAYOUT_ATTENTION,
    LAYOUT_BOTH,   /* a wrapper of two recurrent layers, one for each way */
    LAYOUT_REFUSED /* known, and torch has nothing like it */
};

struct layout_class {
    const char *name;  /* "Conv2DTranspose" */
    const char *snake; /* "conv2d_transpose" */
    uint32_t kind;     /* enum layout_kind */
    uint32_t rank;     /* of the kernel; 0: any */
    const char *why;   /* of REFUSED */
};

/* By either name, with `_7` behind the second if `counted`; or NULL. */
const struct layout_class *layout_class_find(const char *text, size_t length,
                                             bool counted);

/* The class that layers of a kind have if nobody says otherwise. */
const struct layout_class *layout_class_of(uint32_t kind, uint32_t rank);

/* ---- Tensors ---- */

/* What a weight of Keras is in its layer, in Keras' order. */
enum layout_role {
    LAYOUT_KERNEL = 0,
    LAYOUT_DEPTH_KERNEL,
    LAYOUT_POINT_KERNEL,
    LAYOUT_RECURRENT,
    LAYOUT_BIAS,
    LAYOUT_GAMMA,
    LAYOUT_BETA,
    LAYOUT_MEAN,
    LAYOUT_VARIANCE,
    LAYOUT_EMBEDDINGS,
    LAYOUT_ALPHA,
    LAYOUT_ROLE_COUNT
};

/* What a tensor of torch is in its module, in torch's order. */
enum layout_slot {
    LAYOUT_IN_WEIGHT = 0, /* in_proj_weight */
    LAYOUT_IN_BIAS,
    LAYOUT_WEIGHT,
    LAYOUT_SHIFT, /* bias */
    LAYOUT_RUNNING_MEAN,
    LAYOUT_RUNNING_VAR,
    LAYOUT_BATCHES,
    LAYOUT_WEIGHT_IH,
    LAYOUT_WEIGHT_HH,
    LAYOUT_BIAS_IH,
    LAYOUT_BIAS_HH,
    LAYOUT_OUT_WEIGHT, /* out_proj.weight */
    LAYOUT_OUT_BIAS,
    LAYOUT_SLOT_COUNT
};

/* A layer of Keras has its weights in up to four parts: the two ways of a
 * bidirectional one; query, key, value and output of attention. A module of
 * torch has two: the reverse of a recurrent one is its second; and the two
 * modules that a separable convolution becomes are taken as parts, too. */
#define LAYOUT_KERAS_PARTS 4
#define LAYOUT_TORCH_PARTS 2

struct layout_item {
    struct ckpt_text name;
    const struct ckpt_value *key;
    const struct ckpt_value *value; /* a tensor, or what is none */
    const struct ckpt_tensor *tensor;
    size_t leaf; /* where the last part of the name begins */
    struct layout_item *next;
    const struct ckpt_value *made; /* what is to stand in its place */
    bool used;
};

struct layout_items {
    struct layout_item *items;
    size_t count;
};

/* What a config says of a layer. */
struct layout_facts {
    const char *class_name; /* NULL: nothing is known */
    const char *inner_name; /* the class of what it wraps */
    size_t order;
    bool no_scale, no_center, no_reset_after;
    bool other_gates;    /* activations of a cell that torch does not have */
    bool flattened;      /* a Dense behind a Flatten */
    uint64_t multiplier; /* of a depthwise convolution; 0: not told */
};

/* ---- A layer of Keras ---- */

struct layout_layer {
    struct ckpt_text folder; /* of its weights' names, without "/vars" */
    char *name;              /* as people call it: "conv2d_1", "inner.dense" */
    bool numbered;           /* vars/0, vars/1: roles by position */
    bool absorbed;           /* it is a part of another */
    bool both;               /* bidirectional: two parts */
    bool skipped;            /* unknown, and to be kept or dropped */
    const struct layout_class *class; /* or NULL */
    uint32_t kind;
    const char *why; /* it is unknown */
    struct layout_facts facts;
    struct layout_item *first, **end; /* its weights, in order */
    size_t weight_count;
    struct layout_layer *parts[LAYOUT_KERAS_PARTS]; /* itself, and others */
    struct layout_item *keras[LAYOUT_KERAS_PARTS][LAYOUT_ROLE_COUNT];
    uint64_t flat[4]; /* what a Dense comes after: spatial ..., channels */
    uint32_t flat_count;
    uint64_t heads; /* towards Keras; 0: not told */
    struct layout_unit *units[LAYOUT_TORCH_PARTS]; /* what it is paired with */
    const char *modules[LAYOUT_TORCH_PARTS]; /* what the mapping file says */
};

struct layout_keras {
    struct layout_items items;
    struct layout_layer *layers; /* those that are absorbed among them */
    size_t count;
    struct layout_layer **sorted; /* those that are not, in order */
    size_t sorted_count;
    bool ordered;           /* the file tells the order of all layers */
    size_t optimizer_count; /* of the optimizer, and states of random numbers */
    const char *optimizer_name;
};

/* ---- A module of torch ---- */

struct layout_unit {
    struct ckpt_text prefix; /* "features.0"; of its keys, without the dot */
    uint32_t level;          /* N of weight_ih_lN */
    char *name;              /* the prefix, with "_lN" behind it */
    struct layout_unit *next_level;
    struct layout_item *torch[LAYOUT_TORCH_PARTS][LAYOUT_SLOT_COUNT];
    struct layout_layer *layer; /* what it is paired with */
    bool absorbed;              /* out_proj of attention */
    uint32_t part;              /* which of the layer's modules it is */
};

struct layout_torch {
    struct layout_items items;
    struct layout_unit *units;
    size_t count;
};

/* ---- What is to be made ---- */

enum layout_how {
    LAYOUT_SHOWN = 1, /* a view of the same storage */
    LAYOUT_JOINED,    /* the pieces, one after the other */
    LAYOUT_TURNED,    /* one piece, with the blocks of its rows in another
                         order: the second, the first, the third */
    LAYOUT_SUMMED,    /* two pieces, added */
    LAYOUT_FILLED     /* zeros or ones */
};

#define LAYOUT_PIECES_MAX 6
#define LAYOUT_PLANS_MAX 12

struct layout_plan {
    uint32_t how;
    uint32_t part, place; /* in layer->keras or unit->torch */
    bool optional;        /* left out if the file that is like it has none */
    bool spare;           /* left out if there is no such file */
    bool ones;            /* of FILLED */
    const struct ckpt_attr *attrs; /* of what it is made of, alone */
    uint32_t dtype, rank;
    uint64_t shape[LAYOUT_RANK_MAX];
    struct layout_view pieces[LAYOUT_PIECES_MAX];
    size_t piece_count;
};

struct layout_plans {
    struct layout_plan plans[LAYOUT_PLANS_MAX];
    size_t count;
};

/* ---- The run ---- */

struct layout_job;

struct layout {
    const struct ckpt_option_value *options;
    bool to_keras;
    struct sdk_jobs jobs; /* struct layout_job: what cursors make */
};

enum layout_option {
    LAYOUT_OPTION_LIKE = 0,
    LAYOUT_OPTION_MAP,
    LAYOUT_OPTION_CLASS,
    LAYOUT_OPTION_FLATTEN,
    LAYOUT_OPTION_HEADS,
    LAYOUT_OPTION_NAMES,
    LAYOUT_OPTION_OTHER,
    LAYOUT_OPTION_COUNT
};

enum layout_names { LAYOUT_NAMES_KERAS2, LAYOUT_NAMES_KERAS3 };

enum layout_other { LAYOUT_OTHER_REFUSE, LAYOUT_OTHER_KEEP, LAYOUT_OTHER_DROP };

struct layout_block;

/* What was taken for one thing and may be another, for one line each. */
struct layout_doubt {
    const char *name; /* of the first */
    uint64_t count;
};

struct layout_doubts {
    struct layout_doubt depthwise, separable, transposed, norm, axes;
};

/* One apply. */
struct layout_run {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    struct ckpt_graph *graph; /* where values are made */
    struct layout *self;
    struct layout_keras keras;
    struct layout_torch torch;
    struct layout_map *map;
    struct layout_named *named;
    struct layout_config *config;
    struct layout_block *blocks; /* released when the apply is done */
    struct ckpt_value *root;     /* what is made */
    struct sdk_table made;       /* its keys */
    uint64_t counters;           /* num_batches_tracked that were met */
    struct layout_doubts doubts;
    struct sdk_table views;           /* contiguous copies of views, by view */
    const struct ckpt_value **values; /* of each tensor id that was read */
    uint64_t tensor_count;            /* of the graph that was read */
    uint64_t told_id;                 /* values below have their origins told */
};

extern const char *const layout_directions[]; /* to torch, to Keras */

/* layout_apply.c: see transform.h. */
int layout_apply(const struct ckpt_host *host, void *self,
                 const struct ckpt_graph *const *graphs, size_t graph_count,
                 struct ckpt_edits *edits);

/* Memory that is released with the run; NULL after saying why. */
void *layout_allocate(struct layout_run *run, size_t size_bytes);
void layout_release(struct layout_run *run);
char *layout_printf(struct layout_run *run, const char *format, ...)
    CKPT_PRINTF(2, 3);

/* The pairs of a root map, which must be one of tensors. */
int layout_items_take(struct layout_run *run, const struct ckpt_graph *graph,
                      struct layout_items *items);

/* layout_keras.c: the layers of a graph whose keys are those of Keras. */
int layout_keras_find(struct layout_run *run, const struct ckpt_graph *graph,
                      struct layout_keras *keras);

/* Whether their folders differ in counters alone, which then tell which comes
 * first. */
bool layout_keras_alike(const struct layout_layer *a,
                        const struct layout_layer *b);

/* layout_kind.c: the roles, or the slots, that a kind may have, as bits. */
uint32_t layout_kind_roles(uint32_t kind);
uint32_t layout_kind_slots(uint32_t kind);

/* layout_kind.c: how many gates a cell has, 0 for what is none; and the cell
 * whose recurrent table has [h, gates * h], or, with `inner` 1, the other way
 * round. */
uint32_t layout_kind_gates(uint32_t kind);
uint32_t layout_kind_cell(const struct ckpt_tensor *recurrent, uint32_t inner);

/* layout_kind.c: what a layer is, and which weight is what. */
int layout_kind_tell(struct layout_run *run, struct layout_layer *layer);

/* layout_torch.c: the modules of a state dict. */
int layout_torch_find(struct layout_run *run, const struct ckpt_graph *graph,
                      struct layout_torch *torch);
/* Where a module is the first half of a separable convolution: by the mapping
 * file, by its class, or since the two are called `depthwise` and `pointwise`.
 * Takes both into the layer; else `*found` is false. CKPT_UNSUPPORTED: they do
 * not fit. */
int layout_torch_halves(struct layout_run *run, struct layout_unit *unit,
                        struct layout_layer *layer, bool *found);
/* What a module is by its tensors alone; CKPT_UNSUPPORTED: it cannot be told.
 */
int layout_torch_tell(struct layout_run *run, struct layout_unit *unit,
                      struct layout_layer *layer);

/* layout_plan.c: steps that both directions take. Each fails with the name of
 * the layer. */
int layout_refuse(struct layout_run *run, const struct layout_layer *layer,
                  const char *format, ...) CKPT_PRINTF(3, 4);
/* Adds a plan that shows an item of `rank` dimensions (0: any) as it is. */
int layout_plan_add(struct layout_run *run, const struct layout_layer *layer,
                    struct layout_plans *plans, const struct layout_item *item,
                    uint32_t rank, uint32_t part, uint32_t place,
                    struct layout_plan **plan);
/* Makes one dimension of several, joined if no view can show that. */
void layout_plan_merge(struct layout_plan *plan, uint32_t axis, uint32_t count);
/* Turns three blocks of the first dimension round: r z n to z r h, and
 * back. */
void layout_plan_gates(struct layout_plan *plan);
/* Adds a plan of zeros or ones of a shape. */
struct layout_plan *layout_plan_fill(struct layout_plans *plans,
                                     const struct layout_plan *like,
                                     uint32_t part, uint32_t place, bool ones);
/* Whether a layer of so many inputs can come after what was flattened. */
bool layout_plan_flat(const struct layout_layer *layer, uint64_t inputs);
/* Scales and shifts of a normalisation over several axes: of more than two the
 * channels are last in Keras, first in torch. */
void layout_plan_axes(struct layout_plan *plan, bool to_keras);
/* Takes the shape of the one piece. */
void layout_plan_shape(struct layout_plan *plan);

/* layout_forth.c, layout_back.c: what is to be made of a layer, or for a layer
 * of the units it is paired with. */
int layout_forth(struct layout_run *run, const struct layout_layer *layer,
                 struct layout_plans *plans);
int layout_back(struct layout_run *run, const struct layout_layer *layer,
                struct layout_plans *plans);

/* layout_pair.c: gives each layer of one side its modules of the other. */
int layout_pair(struct layout_run *run, struct layout_keras *keras,
                struct layout_torch *torch);
/* What a plan fills in the units that a layer is paired with. */
struct layout_item **layout_pair_slot(const struct layout_layer *layer,
                                      const struct layout_plan *plan);

/* layout_make.c: makes what was planned; puts a value into the new root. */
int layout_make(struct layout_run *run, const struct layout_plan *plan,
                const char *name, struct ckpt_value **value);
int layout_put(struct layout_run *run, const char *name, size_t name_bytes,
               const struct ckpt_value *value);

/* layout_plan.c: one more that may be something else. */
void layout_doubt_add(struct layout_doubt *doubt, const char *name);

/* layout_name.c: how tensors are called on the side that is written. */
const char *layout_name_torch(struct layout_run *run,
                              const struct layout_layer *layer, uint32_t part,
                              uint32_t slot);
const char *layout_name_keras(struct layout_run *run,
                              const struct layout_layer *layer, uint32_t part,
                              uint32_t role);
bool layout_slot_find(const char *leaf, size_t length, uint32_t *slot,
                      uint32_t *level, uint32_t *part);
bool layout_role_find(const char *leaf, size_t length, uint32_t *role);

/* layout_map.c: the mapping file, and options that name layers. */
struct layout_mapped {
    struct layout_mapped *next;
    const char *layer;
    const char *modules[2]; /* or one, and NULL */
    bool used;
};

int layout_map_read(struct layout_run *run);
void layout_map_fini(struct layout_run *run);
/* The first pair, or NULL. */
struct layout_mapped *layout_map_first(const struct layout_run *run);
/* Writes into layers which modules they are mapped to. */
void layout_map_apply(struct layout_run *run, struct layout_keras *keras);
/* The layer that a module is mapped to, or NULL; and the second module of that
 * layer, or NULL. */
const char *layout_map_layer(struct layout_run *run, const char *module,
                             const char **second);
/* Whether a module is the second of a pair. */
bool layout_map_second(const struct layout_run *run, const char *module);
/* Tells the pairs that were for nothing. */
void layout_map_unused(struct layout_run *run);
int layout_named_read(struct layout_run *run);
/* `*exact`: the option has the very name, and no pattern. */
const struct layout_class *layout_option_class(struct layout_run *run,
                                               const char *name, bool *exact);
/* What the option says that a layer or a module is without, or has. */
void layout_option_facts(struct layout_run *run, const char *name,
                         struct layout_layer *layer);
void layout_option_flat(struct layout_run *run, const char *name,
                        struct layout_layer *layer);
void layout_named_unused(struct layout_run *run);

/* layout_rest.c: what is told, and what is left. */
int64_t layout_other(const struct layout_run *run);
/* What no layer of the source took. */
int layout_others_settle(struct layout_run *run,
                         const struct layout_items *items);
void layout_optimizer_tell(struct layout_run *run,
                           const struct layout_keras *keras);
/* Puts the items of the file that the target is to be like, in its order. */
int layout_like_put(struct layout_run *run, const struct layout_items *items);
/* Fails: there is nothing of what a file should have, but perhaps of the
 * other side. */
int layout_none_fail(struct layout_run *run, const struct layout_items *items,
                     bool of_keras, bool like);
void layout_doubts_tell(struct layout_run *run);
void layout_rest_tell(struct layout_run *run);

/* layout_plain.c: takes the pairs of the mapping file that name tensors, not
 * layers: such go as they are. `like`: of the target, or NULL. */
int layout_plain(struct layout_run *run, const struct layout_items *from,
                 const struct layout_items *like);

/* layout_config.c: config.json and model_config. */
int layout_config_read(struct layout_run *run, const struct ckpt_graph *graph);
void layout_config_fini(struct layout_run *run);
void layout_config_find(const struct layout_run *run,
                        struct layout_layer *layer);

#endif
