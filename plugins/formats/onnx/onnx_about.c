/* SPDX-License-Identifier: MIT
 *
 * The model's own fields, for the probe.
 */
#include "onnx_about.h"

#include <stdio.h>
#include <string.h>

#include "onnx_proto.h"

#define PROBE_FIELDS_MAX 100000 /* of a model: as many do to know it */

/* The beginning of a text, with `?` for whatever is not printable ASCII. */
static int
read_printable(const struct onnx_wire *wire, const struct onnx_field *field,
               char *text, size_t room)
{
    size_t size =
        field->size_bytes < room - 1 ? (size_t)field->size_bytes : room - 1;
    int status = onnx_wire_copy(wire, field->offset, text, size);
    size_t i;

    if (status != CKPT_OK)
        return status;
    for (i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    text[size] = '\0';
    return CKPT_OK;
}

static int
read_opset(const struct onnx_wire *wire, const struct onnx_field *field,
           struct onnx_about *about)
{
    struct onnx_field part;
    struct onnx_wire inner;
    uint64_t version = 0;
    bool other = false;
    int status = onnx_wire_enter(wire, field, &onnx_opset_message, &inner);

    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK) {
        if (part.number == ONNX_OPSET_VERSION)
            version = part.value;
        if (part.number == ONNX_OPSET_DOMAIN && part.size_bytes > 0)
            other = true;
    }
    if (status == CKPT_END && !other)
        about->opset = version;
    return status == CKPT_END ? CKPT_OK : status;
}

static int
read_field(const struct onnx_wire *wire, const struct onnx_field *field,
           struct onnx_about *about)
{
    switch (field->number) {
    case ONNX_MODEL_IR_VERSION:
        about->ir_version = field->value;
        return CKPT_OK;
    case ONNX_MODEL_PRODUCER_NAME:
        return read_printable(wire, field, about->producer,
                              sizeof about->producer);
    case ONNX_MODEL_PRODUCER_VERSION:
        return read_printable(wire, field, about->producer_version,
                              sizeof about->producer_version);
    case ONNX_MODEL_GRAPH:
        about->has_graph = true;
        return CKPT_OK;
    case ONNX_MODEL_OPSET:
        return read_opset(wire, field, about);
    case ONNX_MODEL_DOMAIN:
    case ONNX_MODEL_VERSION:
    case ONNX_MODEL_DOC:
    case ONNX_MODEL_METADATA:
    case ONNX_MODEL_TRAINING:
    case ONNX_MODEL_FUNCTION:
    case ONNX_MODEL_CONFIGURATION:
        return CKPT_OK;
    default:
        about->unknown++;
        return CKPT_OK;
    }
}

int
onnx_about_read(const struct ckpt_host *host, const struct ckpt_source *source,
                struct onnx_about *about)
{
    struct onnx_field field;
    struct onnx_wire wire;
    uint32_t count = 0;
    int status = CKPT_OK;

    memset(about, 0, sizeof *about);
    onnx_wire_open(host, source, &onnx_model_message, &wire);
    wire.silent = true;
    while (status == CKPT_OK && count++ < PROBE_FIELDS_MAX) {
        status = onnx_wire_next(&wire, &field);
        if (status == CKPT_OK)
            status = read_field(&wire, &field, about);
    }
    return status == CKPT_END ? CKPT_OK : status;
}

void
onnx_about_say(const struct onnx_about *about, char *how, size_t room)
{
    char opset[40] = "", version[32] = "";

    if (about->opset != 0)
        snprintf(opset, sizeof opset, ", opset %llu",
                 (unsigned long long)about->opset);
    if (about->producer_version[0] != '\0')
        snprintf(version, sizeof version, " %s", about->producer_version);
    snprintf(how, room, "ONNX, IR %llu%s%s%s%s",
             (unsigned long long)about->ir_version, opset,
             about->producer[0] != '\0' ? ", from " : "", about->producer,
             about->producer[0] != '\0' ? version : "");
}
