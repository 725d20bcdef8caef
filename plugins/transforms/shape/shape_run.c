/* SPDX-License-Identifier: MIT
 *
 * One tensor that is resized: what of the old entries stays, what cannot be,
 * and what is said of it.
 */
#include "shape.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cast.h"

/* ---- What cannot be ---- */

static int
run_refuse(const struct shape_run *run, const char *why)
{
    return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name, CKPT_NOWHERE,
                           "it is %s: %s", ckpt_dtype_name(run->from->dtype),
                           why);
}

static bool
is_real(uint32_t dtype)
{
    return sdk_cast_known(CKPT_FLOAT32, dtype) && dtype != CKPT_BOOL &&
           (dtype < CKPT_UINT8 || dtype > CKPT_INT64);
}

static bool
is_complex(uint32_t dtype)
{
    return sdk_cast_known(CKPT_COMPLEX64, dtype);
}

/* Whether the type has what the fill, if there is any, wants. */
static int
dtype_check(const struct shape_run *run)
{
    uint32_t dtype = run->from->dtype;
    bool fills = run->size > run->old || !run->keep;

    if (ckpt_dtype_width_bits(dtype) % 8 != 0)
        return run_refuse(run, "types below a byte are not resized");
    if (run->factor != 1 && !is_real(dtype) && !is_complex(dtype))
        return run_refuse(run, "there is nothing to rescale");
    if (!fills)
        return CKPT_OK;
    if (run->fill == SHAPE_ZERO && !sdk_cast_known(dtype, dtype))
        return run_refuse(run, "what is zero in it is not known");
    if (run->fill == SHAPE_MEAN && !is_real(dtype) && !is_complex(dtype))
        return run_refuse(run, "it has no mean");
    if (run->fill == SHAPE_KAIMING && !is_real(dtype))
        return run_refuse(run, "it has no random numbers between -1 and 1");
    return CKPT_OK;
}

static int
fill_check(const struct shape_run *run)
{
    const struct ckpt_host *host = run->host;
    bool empty =
        run->old == 0 && (run->fill == SHAPE_MEAN || run->fill == SHAPE_REPEAT);

    if (run->fill == SHAPE_UNSAID && run->size > run->old) {
        host->remedy(host,
                     "fill=zero, fill=mean, fill=repeat or fill=kaiming do");
        return host->fail(host, CKPT_OPTION, run->name, CKPT_NOWHERE,
                          "it grows from %" PRIu64 " to %" PRIu64
                          ", and nothing says by what",
                          run->old, run->size);
    }
    if (empty)
        return host->fail(host, CKPT_UNSUPPORTED, run->name, CKPT_NOWHERE,
                          "there are no old entries to make new ones of");
    if (run->self->channels && run->fill == SHAPE_ZERO &&
        run->size < run->old) {
        host->remedy(host, "fill=mean makes each of all old ones, fill=copy "
                           "keeps the first");
        return host->fail(host, CKPT_OPTION, run->name, CKPT_NOWHERE,
                          "it shrinks from %" PRIu64 " to %" PRIu64
                          ", and zeros are for new channels",
                          run->old, run->size);
    }
    return dtype_check(run);
}

/* ---- One tensor ---- */

static const struct ckpt_tensor *
tensor_named(const struct ckpt_graph *graph, const char *name, size_t length)
{
    const struct ckpt_entry *entry;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        entry = &graph->entries[i];
        if (entry->name.size_bytes == length &&
            memcmp(entry->name.data, name, length) == 0)
            return entry->value->as.tensor;
    }
    return NULL;
}

/* The weight that a bias is for: `fc.weight` beside `fc.bias`. */
static int
weight_beside(const struct shape_run *run, const struct ckpt_tensor **weight)
{
    const struct ckpt_host *host = run->host;
    size_t length = strlen(run->name), stem = length - 4;
    char *name;

    *weight = NULL;
    if (length < 4 || strcmp(run->name + stem, "bias") != 0 ||
        (stem > 0 && run->name[stem - 1] != '.'))
        return CKPT_OK;
    name = host->allocate(host, stem + sizeof "weight");
    if (name == NULL)
        return CKPT_MEMORY;
    memcpy(name, run->name, stem);
    memcpy(name + stem, "weight", sizeof "weight");
    *weight = tensor_named(run->graph, name, stem + strlen("weight"));
    host->release(host, name);
    return CKPT_OK;
}

/* 1 / sqrt(fan_in), where fan_in is the number of elements in one entry of
 * the first dimension. */
static int
kaiming_bound(struct shape_run *run)
{
    const struct ckpt_tensor *of = run->from;
    double fan_in = 1;
    uint32_t d;
    int status = CKPT_OK;

    if (of->rank < 2)
        status = weight_beside(run, &of);
    if (status != CKPT_OK)
        return status;
    if (of == NULL || of->rank < 2)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name,
                               CKPT_NOWHERE,
                               "it has one dimension, and there is no weight "
                               "beside it to say what fan-in is");
    for (d = 1; d < of->rank; d++)
        fan_in *= (double)(of == run->from && d == run->dim ? run->size
                                                            : of->shape[d]);
    run->bound = fan_in > 0 ? 1 / sqrt(fan_in) : 0;
    return CKPT_OK;
}

int
shape_run_begin(struct shape_run *run)
{
    const struct shape *self = run->self;
    const struct ckpt_tensor *from = run->from;
    int64_t dim = self->dim < 0 ? self->dim + from->rank : self->dim;
    uint32_t d;

    if (dim < 0 || dim >= from->rank)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name,
                               CKPT_NOWHERE,
                               "it has %u dimensions, and none is %" PRId64,
                               from->rank, self->dim);
    run->dim = (uint32_t)dim;
    run->old = from->shape[dim];
    run->size = self->size;
    run->outer = run->inner = 1;
    for (d = 0; d < from->rank; d++)
        if (d < run->dim)
            run->outer *= from->shape[d];
        else if (d > run->dim)
            run->inner *= from->shape[d];
    return CKPT_OK;
}

int
shape_run_decide(struct shape_run *run)
{
    const struct shape *self = run->self;
    bool shrinks = run->size < run->old;
    int status;

    run->fill = self->fill;
    run->factor = 1;
    if (self->rescale && run->size != run->old)
        run->factor = (double)run->old / (double)run->size;
    run->keep = self->keep;
    if (self->channels)
        run->keep = !shrinks || self->fill != SHAPE_MEAN;
    else if (!self->keep_said)
        run->keep = !shrinks || self->fill == SHAPE_UNSAID;
    status = fill_check(run);
    if (status == CKPT_OK && run->fill == SHAPE_KAIMING &&
        (run->size > run->old || !run->keep))
        status = kaiming_bound(run);
    return status;
}

/* ---- What is said ---- */

static const char *
fill_text(const struct shape_run *run, char text[120])
{
    switch (run->fill) {
    case SHAPE_ZERO:
        return "zeros";
    case SHAPE_MEAN:
        return "the mean of the old";
    case SHAPE_REPEAT:
        return "the old again";
    }
    snprintf(text, 120, "random within %.3g, seed %" PRId64, run->bound,
             (int64_t)run->self->seed);
    return text;
}

void
shape_run_tell(const struct shape_run *run)
{
    const struct ckpt_host *host = run->host;
    char text[120], times[60] = "";

    if (run->factor != 1)
        snprintf(times, sizeof times, "; all times %.6g", run->factor);
    if (run->size == run->old && run->keep)
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u is of %" PRIu64 " already", run->dim,
                   run->size);
    else if (!run->keep && run->fill != SHAPE_REPEAT)
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u: %" PRIu64 " new, %s; none of %" PRIu64
                   " kept%s%s",
                   run->dim, run->size, fill_text(run, text), run->old,
                   run->self->channels ? "" : ", as keep would", times);
    else if (run->size > run->old)
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u: all %" PRIu64 " kept, %" PRIu64 " new, %s%s",
                   run->dim, run->old, run->size - run->old,
                   fill_text(run, text), times);
    else
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u: %" PRIu64 " of %" PRIu64 " kept%s", run->dim,
                   run->size, run->old, times);
}
