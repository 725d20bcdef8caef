/* SPDX-License-Identifier: MIT
 *
 * The callbacks of the writer, and its table.
 */
#include "onnx_writer.h"

#include <string.h>

#include "onnx_plan.h"
#include "onnx_template.h"

enum { OPTION_EXTERNAL, OPTION_TEMPLATE };

struct onnx_writing {
    const char *external;               /* NULL: not asked for */
    const struct ckpt_source *template; /* likewise */
};

/* A name beside the output, on every system. */
static bool
writer_is_plain(const char *name)
{
    return name[0] != '\0' && strpbrk(name, "/\\:") == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int
writer_open(const struct ckpt_host *host,
            const struct ckpt_option_value *options, void **self)
{
    const char *external = options[OPTION_EXTERNAL].text;
    struct onnx_writing *made;

    if (external != NULL && !writer_is_plain(external))
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "external takes the name of a file beside the "
                          "output, without folders");
    made = host->allocate(host, sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    made->external = external;
    made->template = options[OPTION_TEMPLATE].source;
    *self = made;
    return CKPT_OK;
}

/* Two tensors are one where their bytes are in a file of their own. */
static uint64_t
writer_holds(const struct ckpt_host *host, void *self)
{
    const struct onnx_writing *writing = self;
    uint64_t holds = onnx_writer.limits.holds;

    (void)host;
    if (writing->external == NULL || writing->template != NULL)
        holds &= ~CKPT_HOLDS_TWINS;
    return holds;
}

static int
writer_plan(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    const struct onnx_writing *writing = self;

    if (writing->template != NULL)
        return onnx_template_plan(host, writing->template, writing->external,
                                  graph, plan);
    return onnx_plan(host, writing->external, graph, plan);
}

static void
writer_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

static const char *const writer_suffixes[] = {".onnx", NULL};

static const struct ckpt_option writer_options[] = {
    [OPTION_EXTERNAL] =
        {
            .name = "external",
            .kind = CKPT_OPTION_STRING,
            .help = "put the tensors' bytes into this file beside the output",
        },
    [OPTION_TEMPLATE] =
        {
            .name = "template",
            .kind = CKPT_OPTION_FILE,
            .help = "write this model with the tensors of the input in it",
        },
    {.kind = CKPT_OPTION_END},
};

const struct ckpt_writer onnx_writer = {
    .size = sizeof(struct ckpt_writer),
    .id = "onnx",
    .summary = "an ONNX model of weights, or another model with new ones",
    .suffixes = writer_suffixes,
    .options = writer_options,
    .limits =
        {
            .holds = CKPT_HOLDS_STRINGS | CKPT_HOLDS_TWINS,
            .dtypes =
                CKPT_DTYPE_BIT(CKPT_BOOL) | CKPT_DTYPE_BIT(CKPT_UINT8) |
                CKPT_DTYPE_BIT(CKPT_INT8) | CKPT_DTYPE_BIT(CKPT_UINT16) |
                CKPT_DTYPE_BIT(CKPT_INT16) | CKPT_DTYPE_BIT(CKPT_UINT32) |
                CKPT_DTYPE_BIT(CKPT_INT32) | CKPT_DTYPE_BIT(CKPT_UINT64) |
                CKPT_DTYPE_BIT(CKPT_INT64) | CKPT_DTYPE_BIT(CKPT_FLOAT16) |
                CKPT_DTYPE_BIT(CKPT_BFLOAT16) | CKPT_DTYPE_BIT(CKPT_FLOAT32) |
                CKPT_DTYPE_BIT(CKPT_FLOAT64) | CKPT_DTYPE_BIT(CKPT_COMPLEX64) |
                CKPT_DTYPE_BIT(CKPT_COMPLEX128) |
                CKPT_DTYPE_BIT(CKPT_FLOAT8_E4M3FN) |
                CKPT_DTYPE_BIT(CKPT_FLOAT8_E4M3FNUZ) |
                CKPT_DTYPE_BIT(CKPT_FLOAT8_E5M2) |
                CKPT_DTYPE_BIT(CKPT_FLOAT8_E5M2FNUZ) |
                CKPT_DTYPE_BIT(CKPT_FLOAT8_E8M0FNU) |
                CKPT_DTYPE_BIT(CKPT_FLOAT4_E2M1FN_X2) |
                CKPT_DTYPE_BIT(CKPT_FLOAT4_E2M1) |
                CKPT_DTYPE_BIT(CKPT_FLOAT6_E2M3) |
                CKPT_DTYPE_BIT(CKPT_FLOAT6_E3M2) | CKPT_DTYPE_BIT(CKPT_UINT4) |
                CKPT_DTYPE_BIT(CKPT_INT4) | CKPT_DTYPE_BIT(CKPT_UINT2) |
                CKPT_DTYPE_BIT(CKPT_INT2),
        },
    .open = writer_open,
    .plan = writer_plan,
    .holds = writer_holds,
    .close = writer_close,
};
