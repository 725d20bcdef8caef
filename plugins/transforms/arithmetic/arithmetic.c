/* SPDX-License-Identifier: MIT
 *
 * The transforms `average`, `interpolate`, `add`, `subtract` and `lora`:
 * numbers of several files. Here are their options and tables.
 */
#include "arithmetic.h"

#include <math.h>
#include <string.h>

#include "json.h"

/* Each other input takes a file and a window of 1 MiB; of streams there are
 * 128. */
#define INPUTS_MAX 101

/* `with` stands first in both that have it. */
enum { OPTION_WITH, OPTION_WEIGHTS, OPTION_EMA };
enum { OPTION_T, OPTION_MODE };
enum { OPTION_SCALE = 1 };

static const char *const modes[] = {"linear", "slerp", NULL};

static const struct ckpt_option average_options[] = {
    {"with", CKPT_OPTION_GRAPH, NULL, "one more file; may be given again",
     NULL},
    {"weights", CKPT_OPTION_STRING, NULL,
     "a factor for each file, as 0.5x0.3x0.2", NULL},
    {"ema", CKPT_OPTION_STRING, NULL,
     "decay of a moving average, which OTHER is the newest part of", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static const struct ckpt_option interpolate_options[] = {
    {"t", CKPT_OPTION_STRING, "0.5", "0 is this file, 1 is OTHER", NULL},
    {"mode", CKPT_OPTION_CHOICE, "linear", "along a line or an arc", modes},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static const struct ckpt_option add_options[] = {
    {"with", CKPT_OPTION_GRAPH, NULL, "one more file; may be given again",
     NULL},
    {"scale", CKPT_OPTION_STRING, "1", "a factor for what is added", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static const struct ckpt_option lora_options[] = {
    {"scale", CKPT_OPTION_STRING, NULL, "the factor itself", NULL},
    {"alpha", CKPT_OPTION_STRING, NULL, "in place of the lora_alpha", NULL},
    {"config", CKPT_OPTION_FILE, NULL,
     "an adapter_config.json that is not beside ADAPTER", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static void
arithmetic_close(const struct ckpt_host *host, void *self)
{
    struct arithmetic *arithmetic = self;
    size_t i;

    for (i = 0; i < arithmetic->job_count; i++) {
        host->release(host, arithmetic->jobs[i]->inputs);
        host->release(host, arithmetic->jobs[i]);
    }
    if (arithmetic->config != NULL)
        arithmetic_config_fini(host, arithmetic->config);
    host->release(host, arithmetic->config);
    host->release(host, arithmetic->jobs);
    host->release(host, arithmetic->factors);
    host->release(host, arithmetic);
}

static int
new_self(const struct ckpt_host *host, uint32_t kind,
         const struct ckpt_option_value *options, struct arithmetic **self)
{
    struct arithmetic *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    made->kind = kind;
    made->how = ARITHMETIC_SUM;
    made->divisor = 1;
    made->options = options;
    *self = made;
    return CKPT_OK;
}

static int
opened(const struct ckpt_host *host, struct arithmetic *made, int status,
       void **self)
{
    if (status != CKPT_OK)
        arithmetic_close(host, made);
    else
        *self = made;
    return status;
}

/* ---- Numbers in options ---- */

/* As JSON writes them: whatever the locale, and neither infinite nor NaN. */
static int
number_parse(const struct ckpt_host *host, const char *name, const char *text,
             size_t length, double *number)
{
    struct sdk_json json;

    sdk_json_init(&json, text, length);
    if (sdk_json_next(&json) == SDK_JSON_NUMBER &&
        sdk_json_double(&json, number) && sdk_json_next(&json) == SDK_JSON_END)
        return CKPT_OK;
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                      "%s: '%.*s' is no number", name, (int)length, text);
}

static int
option_number(const struct ckpt_host *host, const char *name,
              const struct ckpt_option_value *option, double *number)
{
    return number_parse(host, name, option->text, strlen(option->text), number);
}

/* ---- Opening each ---- */

static int
factors_new(const struct ckpt_host *host, struct arithmetic *self, size_t count,
            double value)
{
    size_t i;

    self->factors = host->allocate(host, count * sizeof *self->factors);
    if (self->factors == NULL)
        return CKPT_MEMORY;
    self->factor_count = count;
    for (i = 0; i < count; i++)
        self->factors[i] = value;
    return CKPT_OK;
}

static int
weights_parse(const struct ckpt_host *host, struct arithmetic *self,
              const char *text)
{
    size_t length, i, count = 1;
    const char *at;
    int status = CKPT_OK;

    for (at = text; *at != '\0'; at++)
        count += *at == 'x';
    if (count != self->factor_count)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "%zu weights for %zu files", count,
                          self->factor_count);
    for (i = 0, at = text; i < count && status == CKPT_OK; i++) {
        length = strcspn(at, "x");
        status = number_parse(host, "weights", at, length, &self->factors[i]);
        at += length + 1;
    }
    return status;
}

static int
ema_parse(const struct ckpt_host *host, struct arithmetic *self,
          const struct ckpt_option_value *option)
{
    double decay;
    int status = option_number(host, "ema", option, &decay);

    if (status != CKPT_OK)
        return status;
    if (decay < 0 || decay > 1)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "ema: a decay is between 0 and 1");
    if (self->factor_count != 2 || self->options[OPTION_WEIGHTS].given)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "ema goes with one other file, and no weights");
    self->how = ARITHMETIC_BETWEEN;
    self->divisor = 1;
    self->at = 1 - decay;
    return CKPT_OK;
}

static int
average_open(const struct ckpt_host *host, const char *argument,
             const struct ckpt_option_value *options, void **self)
{
    struct arithmetic *made;
    int status = new_self(host, ARITHMETIC_AVERAGE, options, &made);
    size_t count = 2 + (size_t)options[OPTION_WITH].integer;

    (void)argument;
    if (status != CKPT_OK)
        return status;
    status = factors_new(host, made, count, 1);
    if (status == CKPT_OK && options[OPTION_WEIGHTS].given)
        status = weights_parse(host, made, options[OPTION_WEIGHTS].text);
    else
        made->divisor = (double)count;
    if (status == CKPT_OK && options[OPTION_EMA].given)
        status = ema_parse(host, made, &options[OPTION_EMA]);
    return opened(host, made, status, self);
}

static int
interpolate_open(const struct ckpt_host *host, const char *argument,
                 const struct ckpt_option_value *options, void **self)
{
    struct arithmetic *made;
    int status = new_self(host, ARITHMETIC_INTERPOLATE, options, &made);

    (void)argument;
    if (status != CKPT_OK)
        return status;
    made->how = options[OPTION_MODE].integer == 0 ? ARITHMETIC_BETWEEN
                                                  : ARITHMETIC_ROUND;
    status = factors_new(host, made, 2, 1);
    if (status == CKPT_OK)
        status = option_number(host, "t", &options[OPTION_T], &made->at);
    return opened(host, made, status, self);
}

static int
add_open(const struct ckpt_host *host, const char *argument,
         const struct ckpt_option_value *options, void **self)
{
    size_t count = 2 + (size_t)options[OPTION_WITH].integer;
    struct arithmetic *made;
    double scale = 1;
    int status = new_self(host, ARITHMETIC_ADD, options, &made);

    (void)argument;
    if (status != CKPT_OK)
        return status;
    status = option_number(host, "scale", &options[OPTION_SCALE], &scale);
    if (status == CKPT_OK)
        status = factors_new(host, made, count, scale);
    if (status == CKPT_OK)
        made->factors[0] = 1;
    return opened(host, made, status, self);
}

static int
subtract_open(const struct ckpt_host *host, const char *argument,
              const struct ckpt_option_value *options, void **self)
{
    struct arithmetic *made;
    int status = new_self(host, ARITHMETIC_SUBTRACT, options, &made);

    (void)argument;
    if (status != CKPT_OK)
        return status;
    status = factors_new(host, made, 2, -1);
    if (status == CKPT_OK)
        made->factors[0] = 1;
    return opened(host, made, status, self);
}

/* Both kinds of factor may be given with a configuration, which then tells
 * the rest. */
static int
lora_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    struct arithmetic *made;
    int status = new_self(host, ARITHMETIC_LORA, options, &made);

    (void)argument;
    if (status != CKPT_OK)
        return status;
    made->config = host->allocate(host, sizeof *made->config);
    if (made->config == NULL)
        status = CKPT_MEMORY;
    if (status == CKPT_OK && options[ARITHMETIC_SCALE].given &&
        options[ARITHMETIC_ALPHA].given)
        status = host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                            "scale and alpha exclude each other");
    if (status == CKPT_OK)
        status = factors_new(host, made, 1, 1);
    if (status == CKPT_OK && options[ARITHMETIC_SCALE].given)
        status = option_number(host, "scale", &options[ARITHMETIC_SCALE],
                               &made->factors[0]);
    if (status == CKPT_OK && options[ARITHMETIC_ALPHA].given)
        status = option_number(host, "alpha", &options[ARITHMETIC_ALPHA],
                               &made->factors[0]);
    return opened(host, made, status, self);
}

/* ---- Applying ---- */

static int
arithmetic_apply(const struct ckpt_host *host, void *self,
                 const struct ckpt_graph *const *graphs, size_t graph_count,
                 struct ckpt_edits *edits)
{
    struct arithmetic_run run = {.host = host,
                                 .self = self,
                                 .edits = edits,
                                 .graphs = graphs,
                                 .graph_count = graph_count};
    int status = arithmetic_chain(&run);

    if (status == CKPT_OK && run.self->kind == ARITHMETIC_LORA) {
        status = arithmetic_lora(&run);
    } else if (status == CKPT_OK) {
        status = arithmetic_match(&run);
        if (status == CKPT_OK)
            status = arithmetic_make(&run);
    }
    arithmetic_run_fini(&run);
    return status;
}

static const struct ckpt_transform average_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "average",
    .summary = "the mean, or a weighted sum, of several files",
    .argument = "OTHER",
    .options = average_options,
    .inputs_min = 2,
    .inputs_max = INPUTS_MAX,
    .open = average_open,
    .apply = arithmetic_apply,
    .close = arithmetic_close,
    .argument_kind = CKPT_OPTION_GRAPH,
    .cursor_open = arithmetic_cursor_open,
    .cursor_next = arithmetic_cursor_next,
    .cursor_close = arithmetic_cursor_close,
};

static const struct ckpt_transform interpolate_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "interpolate",
    .summary = "a file between two files",
    .argument = "OTHER",
    .options = interpolate_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .open = interpolate_open,
    .apply = arithmetic_apply,
    .close = arithmetic_close,
    .argument_kind = CKPT_OPTION_GRAPH,
    .cursor_open = arithmetic_cursor_open,
    .cursor_next = arithmetic_cursor_next,
    .cursor_close = arithmetic_cursor_close,
};

static const struct ckpt_transform add_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "add",
    .summary = "adds the tensors of other files, or a part of them",
    .argument = "OTHER",
    .options = add_options,
    .inputs_min = 2,
    .inputs_max = INPUTS_MAX,
    .open = add_open,
    .apply = arithmetic_apply,
    .close = arithmetic_close,
    .argument_kind = CKPT_OPTION_GRAPH,
    .cursor_open = arithmetic_cursor_open,
    .cursor_next = arithmetic_cursor_next,
    .cursor_close = arithmetic_cursor_close,
};

static const struct ckpt_transform subtract_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "subtract",
    .summary = "subtracts the tensors of another file",
    .argument = "OTHER",
    .inputs_min = 2,
    .inputs_max = 2,
    .open = subtract_open,
    .apply = arithmetic_apply,
    .close = arithmetic_close,
    .argument_kind = CKPT_OPTION_GRAPH,
    .cursor_open = arithmetic_cursor_open,
    .cursor_next = arithmetic_cursor_next,
    .cursor_close = arithmetic_cursor_close,
};

static const struct ckpt_transform lora_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "lora",
    .summary = "merges a low-rank adapter, as PEFT saves it",
    .argument = "ADAPTER",
    .options = lora_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .open = lora_open,
    .apply = arithmetic_apply,
    .close = arithmetic_close,
    .argument_kind = CKPT_OPTION_GRAPH,
    .cursor_open = arithmetic_cursor_open,
    .cursor_next = arithmetic_cursor_next,
    .cursor_close = arithmetic_cursor_close,
};

static const struct ckpt_transform *const arithmetic_transforms[] = {
    &average_transform,  &interpolate_transform, &add_transform,
    &subtract_transform, &lora_transform,        NULL};

CKPT_PLUGIN(arithmetic) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "arithmetic",
    .version = "0.1.0",
    .summary = "sums and averages of several files",
    .transforms = arithmetic_transforms,
};
