/* SPDX-License-Identifier: MIT
 *
 * Arrays of NumPy, of version 1 and 2. What is called, and with what:
 *
 *   _reconstruct   ndarray, (0,), b'b'; then the state
 *                  (1, shape, dtype, is Fortran, bytes)
 *   _frombuffer    bytes, dtype, shape, 'C' or 'F'
 *   dtype          'f4', align, copy; then the state
 *                  (3, byte order, subtype, names, fields, ...)
 *
 * Arrays of objects, of text, of records and of dates stay objects.
 */
#include "torch_read_array.h"

#include <string.h>

#include "checked.h"
#include "torch_read_layout.h"

/* Fewer bytes than these are kept in memory: a file of scalars has many. */
#define KEPT_BYTES 4096
/* More than these a graph does not keep. */
#define KEPT_MAX ((uint64_t)64 << 20)

struct array {
    uint32_t dtype;
    bool big_endian, fortran;
    bool keeps_order; /* _reconstruct gives arrays of the machine's order */
    uint32_t rank;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    uint64_t size_bytes;
    uint32_t bytes; /* a node */
};

/* ---- Bytes ---- */

/* The node of the text behind _codecs.encode(text, 'latin1'), or NOTHING. */
static uint32_t
encoded_text(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);

    if (args.count != 2 || call.state != SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_TEXT ||
        (!sdk_pickled_is_text(r->pickled, args.refs[1], "latin1") &&
         !sdk_pickled_is_text(r->pickled, args.refs[1], "latin-1")))
        return SDK_PICKLED_NOTHING;
    return args.refs[0];
}

/* The node of what a bytearray is made of, or `ref` itself. */
static uint32_t
inner_bytes(struct torch_reader *r, uint32_t ref)
{
    struct sdk_pickled_call call;
    struct sdk_pickled_list args;

    if (sdk_torch_known_call(r, ref) != TORCH_BYTEARRAY)
        return ref;
    call = sdk_pickled_call(r->pickled, ref);
    args = sdk_pickled_list(r->pickled, call.args);
    return args.count == 1 && call.state == SDK_PICKLED_NOTHING &&
                   call.items.count == 0
               ? args.refs[0]
               : ref;
}

bool
sdk_torch_payload(struct torch_reader *r, uint32_t ref,
                  struct torch_payload *payload)
{
    struct ckpt_text text;
    uint32_t kind, known;

    ref = inner_bytes(r, ref);
    known = sdk_torch_known_call(r, ref);
    memset(payload, 0, sizeof *payload);
    payload->latin1 = known == TORCH_ENCODE;
    if (payload->latin1)
        ref = encoded_text(r, ref);
    if (ref == SDK_PICKLED_NOTHING)
        return false;
    kind = sdk_pickled_kind(r->pickled, ref);
    payload->offset = CKPT_NOWHERE;
    payload->data = "";
    if (sdk_torch_is_plain_call(r, ref, TORCH_BYTES))
        return true;
    if (!payload->latin1 && kind != SDK_PICKLED_BYTES &&
        kind != SDK_PICKLED_STR && kind != SDK_PICKLED_BYTEARRAY)
        return false;
    if (sdk_pickled_left(r->pickled, ref, &payload->offset,
                         &payload->size_bytes)) {
        payload->data = NULL;
        return true;
    }
    text = sdk_pickled_text(r->pickled, ref);
    payload->data = text.data;
    payload->size_bytes = text.size_bytes;
    if (r->source->file != NULL)
        payload->offset = sdk_pickled_text_place(r->pickled, ref);
    return true;
}

static int
new_storage(struct torch_reader *r, const struct ckpt_storage *like,
            const struct ckpt_storage **storage)
{
    return r->host->storage_new(r->host, r->graph, like, sizeof *like, storage);
}

/* Decodes text that is in memory. */
static int
keep_latin1(struct torch_reader *r, uint32_t ref,
            const struct torch_payload *payload, uint64_t skip,
            struct ckpt_storage *like, const struct ckpt_storage **storage)
{
    struct ckpt_text text = {payload->data, (size_t)payload->size_bytes};
    unsigned char *bytes = r->host->allocate(r->host, text.size_bytes + 1);
    size_t size_bytes = 0;
    int status;

    if (bytes == NULL)
        return CKPT_MEMORY;
    if (!sdk_torch_decode_latin1(&text, bytes, &size_bytes) ||
        !sdk_within(skip, like->size_bytes, size_bytes)) {
        status = sdk_torch_fail(r, CKPT_FORMAT, ref,
                                "bytes that are fewer than they should be");
    } else {
        like->place = CKPT_PLACE_OWNED;
        like->data = bytes + skip;
        status = new_storage(r, like, storage);
    }
    r->host->release(r->host, bytes);
    return status;
}

int
sdk_torch_payload_storage(struct torch_reader *r, uint32_t ref,
                          const struct torch_payload *payload, uint64_t skip,
                          struct ckpt_storage *like,
                          const struct ckpt_storage **storage)
{
    uint64_t least = 0;
    int status;

    if (!sdk_add_u64(skip, like->size_bytes, &least) ||
        least > payload->size_bytes)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "bytes that are fewer than they should be");
    if (payload->latin1 && payload->data != NULL &&
        like->size_bytes <= KEPT_MAX)
        return keep_latin1(r, ref, payload, skip, like, storage);
    if (payload->latin1) {
        if (r->source->text == NULL || payload->offset == CKPT_NOWHERE)
            return CKPT_END;
        like->place = CKPT_PLACE_CODED;
        status = r->source->text(r->host, r->source->user, payload->offset,
                                 payload->size_bytes, skip, like);
        return status == CKPT_OK ? new_storage(r, like, storage) : status;
    }
    if (payload->data != NULL &&
        (payload->offset == CKPT_NOWHERE || like->size_bytes <= KEPT_BYTES)) {
        like->place = CKPT_PLACE_OWNED;
        like->data = payload->data + skip;
        return like->size_bytes > KEPT_MAX ? CKPT_END
                                           : new_storage(r, like, storage);
    }
    like->place = CKPT_PLACE_SPAN;
    like->source = r->source->file;
    like->source_offset = payload->offset + skip;
    return new_storage(r, like, storage);
}

/* ---- Arrays ---- */

static uint32_t
array_type(struct torch_reader *r, uint32_t ref)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);
    struct ckpt_text text;

    if (kind != SDK_PICKLED_TEXT && kind != SDK_PICKLED_STR)
        return CKPT_DTYPE_NONE;
    text = sdk_pickled_text(r->pickled, ref);
    return sdk_torch_array_dtype(&text);
}

/* A call to dtype, of a plain type. */
static bool
read_type(struct torch_reader *r, uint32_t ref, struct array *array)
{
    struct sdk_pickled_call call;
    struct sdk_pickled_list list;
    uint32_t i;

    if (sdk_torch_known_call(r, ref) != TORCH_ARRAY_DTYPE)
        return false;
    call = sdk_pickled_call(r->pickled, ref);
    list = sdk_pickled_list(r->pickled, call.args);
    if (list.count == 0 || call.state == SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(r->pickled, call.state) != SDK_PICKLED_TUPLE)
        return false;
    array->dtype = array_type(r, list.refs[0]);
    list = sdk_pickled_list(r->pickled, call.state);
    if (array->dtype == CKPT_DTYPE_NONE || list.count < 5)
        return false;
    for (i = 2; i < 5; i++)
        if (sdk_pickled_kind(r->pickled, list.refs[i]) != SDK_PICKLED_NONE)
            return false;
    array->big_endian = sdk_pickled_is_text(r->pickled, list.refs[1], ">");
    return array->big_endian ||
           sdk_pickled_is_text(r->pickled, list.refs[1], "<") ||
           sdk_pickled_is_text(r->pickled, list.refs[1], "|") ||
           sdk_pickled_is_text(r->pickled, list.refs[1], "=");
}

static bool
read_shape(struct torch_reader *r, uint32_t ref, struct array *array)
{
    const struct sdk_pickled_node *node;
    struct sdk_pickled_list list;
    uint32_t i;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_TUPLE)
        return false;
    list = sdk_pickled_list(r->pickled, ref);
    if (list.count > CKPT_MAX_RANK)
        return false;
    array->rank = list.count;
    for (i = 0; i < list.count; i++) {
        node = sdk_pickled_at(r->pickled, list.refs[i]);
        if (node->kind != SDK_PICKLED_INT || node->as.integer < 0)
            return false;
        array->shape[i] = (uint64_t)node->as.integer;
    }
    return true;
}

/* Strides and size; false if they overflow. */
static bool
measure(struct array *array)
{
    uint32_t i, d, rank = array->rank;
    uint64_t step = 1, count = 1;

    for (i = 0; i < rank; i++) {
        d = array->fortran ? i : rank - 1 - i;
        array->strides[d] = step;
        if (array->shape[d] != 0 && !sdk_mul_u64(step, array->shape[d], &step))
            return false;
        count = array->shape[d] == 0 ? 0 : count;
    }
    return sdk_mul_u64(count == 0 ? 0 : step,
                       ckpt_dtype_width_bits(array->dtype) / 8,
                       &array->size_bytes);
}

static bool
read_reconstruct(struct torch_reader *r, uint32_t ref, struct array *array)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list list = sdk_pickled_list(r->pickled, call.args);
    const struct sdk_pickled_node *fortran;

    if (list.count != 3 || call.items.count > 0 || call.pairs.count > 0 ||
        call.state == SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(r->pickled, call.state) != SDK_PICKLED_TUPLE ||
        sdk_pickled_kind(r->pickled, list.refs[0]) != SDK_PICKLED_GLOBAL ||
        sdk_torch_name_of(r, list.refs[0])->known != TORCH_ARRAY)
        return false;
    list = sdk_pickled_list(r->pickled, call.state);
    if (list.count != 5)
        return false;
    fortran = sdk_pickled_at(r->pickled, list.refs[3]);
    if (fortran->kind == SDK_PICKLED_BOOL)
        array->fortran = fortran->as.truth;
    else if (fortran->kind == SDK_PICKLED_INT)
        array->fortran = fortran->as.integer != 0;
    else
        return false;
    array->bytes = list.refs[4];
    return read_shape(r, list.refs[1], array) &&
           read_type(r, list.refs[2], array);
}

static bool
read_from_buffer(struct torch_reader *r, uint32_t ref, struct array *array)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list list = sdk_pickled_list(r->pickled, call.args);

    if (list.count != 4 || call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING)
        return false;
    array->fortran = sdk_pickled_is_text(r->pickled, list.refs[3], "F");
    array->bytes = list.refs[0];
    array->keeps_order = true;
    return (array->fortran ||
            sdk_pickled_is_text(r->pickled, list.refs[3], "C")) &&
           read_type(r, list.refs[1], array) &&
           read_shape(r, list.refs[2], array);
}

static bool
read_array(struct torch_reader *r, uint32_t ref, struct array *array)
{
    uint32_t known = sdk_torch_known_call(r, ref);

    memset(array, 0, sizeof *array);
    if (known == TORCH_ARRAY_RECONSTRUCT)
        return read_reconstruct(r, ref, array);
    return known == TORCH_ARRAY_FROM_BUFFER && read_from_buffer(r, ref, array);
}

static int
array_storage(struct torch_reader *r, uint32_t ref, const struct array *array,
              const char *device, const struct ckpt_storage **storage)
{
    struct ckpt_storage like = {
        .size_bytes = array->size_bytes,
        .byte_order = array->big_endian ? CKPT_BIG_ENDIAN : CKPT_LITTLE_ENDIAN,
        .word_bytes = ckpt_dtype_word_bytes(array->dtype),
        .device = device,
    };
    struct torch_payload payload;

    if (!sdk_torch_payload(r, array->bytes, &payload))
        return CKPT_END;
    if (payload.latin1 ? payload.size_bytes / 2 > like.size_bytes
                       : payload.size_bytes != like.size_bytes)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "an array whose shape does not fit its bytes");
    return sdk_torch_payload_storage(r, ref, &payload, 0, &like, storage);
}

/* Torch has no byte order of its own: what writes arrays needs to know. */
static int
set_byte_order(struct torch_reader *r, struct ckpt_value *owner)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *order;
    int status;

    like.as.text.data = ">";
    like.as.text.size_bytes = 1;
    status = sdk_torch_value(r, &like, &order);
    return status == CKPT_OK ? r->host->attr_set(r->host, r->graph, owner,
                                                 SDK_TORCH_BYTE_ORDER, order)
                             : status;
}

static int
make_array(struct torch_reader *r, uint32_t ref, const struct array *array,
           struct ckpt_tensor *like, const char *device,
           struct ckpt_value **value)
{
    struct ckpt_value *made;
    int status = array_storage(r, ref, array, device, &like->storage);

    like->dtype = array->dtype;
    like->rank = array->rank;
    like->shape = array->shape;
    like->strides = array->strides;
    if (status == CKPT_OK)
        status = r->host->tensor_new(r->host, r->graph, like, sizeof *like,
                                     sdk_torch_path(r), &made);
    if (status == CKPT_OK && array->big_endian && array->keeps_order &&
        like->type_name != NULL)
        status = set_byte_order(r, made);
    if (status == CKPT_OK)
        *value = made;
    return status;
}

/* array, dtype, device, requires_grad */
static int
make_device_array(struct torch_reader *r, uint32_t ref,
                  struct ckpt_value **value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list list = sdk_pickled_list(r->pickled, call.args);
    struct ckpt_tensor like = {0};
    struct array array;
    char device[64];

    if (list.count != 4 || call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(r->pickled, list.refs[1]) != SDK_PICKLED_GLOBAL ||
        sdk_pickled_kind(r->pickled, list.refs[3]) != SDK_PICKLED_BOOL ||
        !sdk_torch_device_label(r, list.refs[2], device, sizeof device) ||
        !read_array(r, list.refs[0], &array) || !measure(&array) ||
        sdk_torch_name_of(r, list.refs[1])->known != TORCH_DTYPE ||
        sdk_torch_name_of(r, list.refs[1])->dtype != array.dtype)
        return CKPT_END;
    like.requires_grad = sdk_pickled_at(r->pickled, list.refs[3])->as.truth;
    return make_array(r, ref, &array, &like, device, value);
}

bool
sdk_torch_is_array(uint32_t known)
{
    return known == TORCH_ARRAY_RECONSTRUCT ||
           known == TORCH_ARRAY_FROM_BUFFER ||
           known == TORCH_REBUILD_DEVICE_ARRAY;
}

int
sdk_torch_array_new(struct torch_reader *r, uint32_t ref, uint32_t known,
                    struct ckpt_value **value)
{
    struct ckpt_tensor like = {0};
    struct array array;

    if (known == TORCH_REBUILD_DEVICE_ARRAY)
        return make_device_array(r, ref, value);
    if (!read_array(r, ref, &array))
        return CKPT_END;
    if (!measure(&array))
        return sdk_torch_fail(r, CKPT_FORMAT, ref, "sizes that overflow");
    if (!r->source->arrays_are_tensors)
        like.type_name = SDK_TORCH_ARRAY;
    return make_array(r, ref, &array, &like, NULL, value);
}

static int
set_name(struct torch_reader *r, uint32_t ref, struct ckpt_value *owner)
{
    struct ckpt_value *name;
    int status = sdk_torch_value_of(r, ref, 0, &name);

    return status == CKPT_OK ? r->host->attr_set(r->host, r->graph, owner,
                                                 "paddle_name", name)
                             : status;
}

int
sdk_torch_named_array(struct torch_reader *r, uint32_t ref,
                      struct ckpt_value **value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list list = sdk_pickled_list(r->pickled, call.args);
    struct ckpt_value *made;
    uint32_t known;
    int status;

    if (!r->source->arrays_are_tensors || list.count != 1 ||
        call.state != SDK_PICKLED_NOTHING || call.items.count > 0 ||
        sdk_pickled_kind(r->pickled, list.refs[0]) != SDK_PICKLED_TUPLE)
        return CKPT_END;
    list = sdk_pickled_list(r->pickled, list.refs[0]);
    if (list.count != 2 ||
        sdk_pickled_kind(r->pickled, list.refs[0]) != SDK_PICKLED_TEXT)
        return CKPT_END;
    known = sdk_torch_known_call(r, list.refs[1]);
    if (known != TORCH_ARRAY_RECONSTRUCT && known != TORCH_ARRAY_FROM_BUFFER)
        return CKPT_END;
    status = sdk_torch_array_new(r, list.refs[1], known, &made);
    if (status == CKPT_OK)
        status = set_name(r, list.refs[0], made);
    if (status == CKPT_OK)
        *value = made;
    return status;
}
