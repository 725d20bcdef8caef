/* SPDX-License-Identifier: MIT
 *
 * Numbers of several files: what is shared between choosing tensors, making
 * new ones in their place, and computing their bytes when they are wanted.
 *
 * A job says how the bytes of one new storage come of tensors that are read;
 * cursors carry it out, in doubles, a window at a time. Complex numbers are
 * two floats each throughout.
 */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#include "ckpt/plugin.h"

#include "buffer.h"
#include "hash_table.h"

enum arithmetic_how {
    ARITHMETIC_SUM = 1,  /* of factor times input; then divided */
    ARITHMETIC_BETWEEN,  /* torch.lerp of two, at `at` */
    ARITHMETIC_ROUND,    /* slerp of two, at `at`; becomes one of the above */
    ARITHMETIC_INTEGERS, /* the sum, in integers that wrap */
    ARITHMETIC_FIRST,    /* the first input; it is told if others differ */
    ARITHMETIC_PRODUCT   /* first + factor * second @ third; see product */
};

struct arithmetic_input {
    const struct ckpt_tensor *tensor;
    double factor;
    /* The index of an input before it whose bytes it must have, as it is tied
     * to it elsewhere; it is read for that alone. 0: none. */
    size_t same;
    const char *name; /* of the tensor it is tied to */
};

struct arithmetic_job {
    uint32_t how; /* enum arithmetic_how */
    uint32_t dtype;
    const char *name; /* of the first tensor that it is for */
    double divisor, at;
    bool told; /* what did not fit, or differs */
    size_t input_count;
    struct arithmetic_input *inputs;
};

/* What one of the transforms is about. */
enum arithmetic_kind {
    ARITHMETIC_AVERAGE,
    ARITHMETIC_INTERPOLATE,
    ARITHMETIC_ADD,
    ARITHMETIC_SUBTRACT,
    ARITHMETIC_LORA
};

/* The options of LORA; the argument's value stands behind them. */
enum {
    ARITHMETIC_SCALE,
    ARITHMETIC_ALPHA,
    ARITHMETIC_CONFIG,
    ARITHMETIC_ADAPTER
};

struct arithmetic_config;

struct arithmetic {
    uint32_t kind; /* enum arithmetic_kind */
    /* How floats become one, and each input's factor, or NULL: all 1. */
    uint32_t how;
    double *factors;
    size_t factor_count;
    double divisor, at;
    const struct ckpt_option_value *options;
    struct arithmetic_config *config; /* of LORA */
    struct arithmetic_job **jobs;
    size_t job_count;
};

/* One call of apply. */
struct arithmetic_run {
    const struct ckpt_host *host;
    struct arithmetic *self;
    struct ckpt_edits *edits;
    const struct ckpt_graph *const *graphs;
    size_t graph_count;
    /* Of each entry of the first graph: its tensors in the others, or NULL. */
    const struct ckpt_value **theirs;
    size_t *heads; /* of each storage: 1 + the first entry on it, or 0 */
    size_t *chain; /* of each entry: 1 + the next on its storage, or 0 */
};

/* ---- arithmetic_match.c ---- */

bool arithmetic_is_float(uint32_t dtype);   /* complex ones, too */
bool arithmetic_is_integer(uint32_t dtype); /* not bool */

/* The float type of one component, if it is complex; else the type. */
uint32_t arithmetic_component(uint32_t dtype);

bool arithmetic_shapes_equal(const struct ckpt_tensor *a,
                             const struct ckpt_tensor *b);
bool arithmetic_views_equal(const struct ckpt_tensor *a,
                            const struct ckpt_tensor *b);

/* "[3, 4]", cut where it is long. */
const char *arithmetic_shape(const struct ckpt_tensor *tensor, char text[120]);

/* Of the names of a graph, the entries. CKPT_CONFLICT: two have one name. */
int arithmetic_names(struct arithmetic_run *run, size_t which,
                     struct sdk_table *names);

/* Pairs the tensors of all graphs by name. CKPT_CONFLICT: one has what another
 * has not, or in another shape or kind; CKPT_UNSUPPORTED: a type without
 * arithmetic. */
int arithmetic_match(struct arithmetic_run *run);

/* Tells the host of which tensors a new one is made: ours, and those of the
 * other files. */
int arithmetic_origin(struct arithmetic_run *run, size_t index,
                      const struct ckpt_value *value);

/* Enters all entries of the first graph in heads and chain. */
int arithmetic_chain(struct arithmetic_run *run);

void arithmetic_run_fini(struct arithmetic_run *run);

/* ---- arithmetic_put.c ---- */

/* Adds an empty job with room for inputs. */
int arithmetic_job_new(struct arithmetic_run *run, size_t input_count,
                       struct arithmetic_job **job);

/* Puts a tensor in the place of an entry of the first graph: of its dtype,
 * shape and attributes, at `offset` of a storage. Strides NULL: row-major. */
int arithmetic_put(struct arithmetic_run *run, size_t index,
                   const struct ckpt_storage *storage, const uint64_t *strides,
                   uint64_t offset, uint32_t flips);

/* The storage that a job fills, of so many elements. */
int arithmetic_storage(struct arithmetic_run *run, struct arithmetic_job *job,
                       uint64_t count, const char *device,
                       const struct ckpt_storage **storage);

/* What a job is to read of a tensor: its dimensions in another order. */
int arithmetic_reorder(struct arithmetic_run *run, const uint32_t *order,
                       const struct ckpt_tensor **tensor);

void arithmetic_input_add(struct arithmetic_job *job,
                          const struct ckpt_tensor *tensor, double factor);

/* The same of a storage: all of its elements, as one row. */
int arithmetic_whole(struct arithmetic_run *run,
                     const struct ckpt_tensor **tensor);

/* Whether an entry has a place that can be edited; tells if not. */
bool arithmetic_has_place(const struct arithmetic_run *run, size_t index);

/* ---- arithmetic_make.c ---- */

/* Makes all new tensors of matched graphs. */
int arithmetic_make(struct arithmetic_run *run);

/* ---- arithmetic_cursor.c ---- */

int arithmetic_cursor_open(const struct ckpt_host *host, void *self,
                           const struct ckpt_storage *storage, void **cursor);
int arithmetic_cursor_next(const struct ckpt_host *host, void *cursor,
                           struct ckpt_span *span);
void arithmetic_cursor_close(const struct ckpt_host *host, void *cursor);

/* Elements of a float type as doubles; as many at most as a block holds. */
#define ARITHMETIC_BLOCK ((size_t)512)
void arithmetic_load(uint32_t dtype, const unsigned char *from, double *to,
                     size_t count);

/* And back; adds to the count of those that became infinite. */
void arithmetic_store(uint32_t dtype, const double *from, unsigned char *to,
                      size_t count, uint64_t *overflow_count);

void arithmetic_tell_overflow(const struct ckpt_host *host,
                              struct arithmetic_job *job,
                              uint64_t overflow_count);

/* ---- arithmetic_lora.c ---- */

/* Edits by an adapter: the second graph. */
int arithmetic_lora(struct arithmetic_run *run);

/* ---- arithmetic_adapter.c ---- */

enum arithmetic_part {
    ARITHMETIC_PART_A,
    ARITHMETIC_PART_B,
    ARITHMETIC_PART_BIAS, /* of B */
    ARITHMETIC_PART_COUNT
};

/* What the adapter has for one module. */
struct arithmetic_site {
    struct ckpt_text module;
    const struct ckpt_entry *parts[ARITHMETIC_PART_COUNT];
    bool embedding;
};

struct arithmetic_adapter {
    struct arithmetic_run *run;
    struct sdk_table modules; /* the sites by name */
    struct arithmetic_site *sites;
    size_t site_count;
    struct sdk_buffer plain; /* the last name that was given out */
};

/* Sorts the tensors of the second graph; fini is due whatever comes of it.
 * CKPT_UNSUPPORTED: a part of no plain LoRA; CKPT_CONFLICT: two adapters. */
int arithmetic_adapter_init(struct arithmetic_run *run,
                            struct arithmetic_adapter *adapter);
void arithmetic_adapter_fini(struct arithmetic_adapter *adapter);

/* Whether it is part of a site; else it stands for a whole tensor. */
bool arithmetic_adapter_is_part(const struct ckpt_entry *entry);

/* The name that a whole tensor has in the model; it lives until the next. */
int arithmetic_adapter_whole(struct arithmetic_adapter *adapter,
                             const struct ckpt_entry *entry,
                             struct ckpt_text *name);

/* ---- arithmetic_config.c ---- */

struct arithmetic_pattern {
    char *text;
    double alpha;
    struct sdk_pattern *pattern;
};

/* What an adapter_config.json says. */
struct arithmetic_config {
    bool has_alpha, rank_scaled, transposed;
    double alpha;
    struct arithmetic_pattern *patterns;
    size_t pattern_count;
};

/* Finds and reads it. CKPT_FORMAT: it is no JSON of that kind; CKPT_OPTION:
 * there is none, and no factor; CKPT_UNSUPPORTED: it asks for what is not
 * W + factor * B @ A. */
int arithmetic_config_take(struct arithmetic_run *run);

/* alpha / rank, or alpha / sqrt(rank), or the factor that was given. */
int arithmetic_config_factor(const struct arithmetic_run *run,
                             const struct ckpt_text *module, double rank,
                             double *factor);
void arithmetic_config_fini(const struct ckpt_host *host,
                            struct arithmetic_config *config);

/* ---- arithmetic_product.c ---- */

struct arithmetic_product;

int arithmetic_product_open(const struct ckpt_host *host,
                            struct arithmetic_job *job,
                            struct arithmetic_product **product);
int arithmetic_product_next(const struct ckpt_host *host,
                            struct arithmetic_product *product,
                            struct ckpt_span *span);
void arithmetic_product_close(const struct ckpt_host *host,
                              struct arithmetic_product *product);

#endif
