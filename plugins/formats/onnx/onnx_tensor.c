/* SPDX-License-Identifier: MIT
 *
 * Parsing of one TensorProto.
 *
 *   1 dims  2 data_type  3 segment  8 name  12 doc_string  16 metadata_props
 *   the bytes in one of these ways:
 *     9 raw_data        little-endian, row-major, elements below a byte packed
 *                       from the low bits, over the whole tensor
 *     4 float_data      float32, and complex64 as pairs
 *     5 int32_data      integers to 32 bits and bool; bit patterns of 16, 8
 *                       and 6 bits; bytes of elements of 4 and 2 bits
 *     7 int64_data      int64
 *     10 double_data    float64, and complex128 as pairs
 *     11 uint64_data    uint32 and uint64
 *     13 external_data  with 14 data_location 1
 */
#include "onnx_tensor.h"

#include <string.h>

#include "checked.h"
#include "onnx_proto.h"
#include "onnx_types.h"

#define TYPE_STRING 8

struct parsing {
    const struct onnx_wire *wire; /* of the message */
    struct onnx_tensor *tensor;
    uint64_t type, location;
    uint64_t strings_byte, segment_byte, type_byte; /* or CKPT_NOWHERE */
    uint32_t keys;                                  /* bits of keys seen */
};

static int
fail(const struct parsing *p, int status, uint64_t byte, const char *what)
{
    const struct ckpt_host *host = p->wire->host;

    return host->fail(host, status, p->tensor->label, byte, "%s", what);
}

/* ---- Dimensions ---- */

static int
add_dim(struct parsing *p, uint64_t dim, uint64_t byte)
{
    struct onnx_tensor *tensor = p->tensor;

    if (dim > INT64_MAX)
        return fail(p, CKPT_FORMAT, byte, "a negative dimension");
    if (tensor->rank == CKPT_MAX_RANK)
        return fail(p, CKPT_FORMAT, byte, "more than 64 dimensions");
    tensor->shape[tensor->rank++] = dim;
    return CKPT_OK;
}

static int
read_dims(struct parsing *p, const struct onnx_field *field)
{
    uint64_t at = field->offset, end = at + field->size_bytes, dim;
    int status = CKPT_OK;

    if (field->type == ONNX_VARINT)
        return add_dim(p, field->value, field->offset);
    while (status == CKPT_OK && at < end) {
        uint64_t byte = at;

        status = onnx_wire_varint(p->wire, &at, end, 10, &dim);
        if (status == CKPT_OK)
            status = add_dim(p, dim, byte);
    }
    return status;
}

/* ---- External data ---- */

/* Decimal digits, as a size of a file may be. */
static bool
parse_size(const char *text, uint64_t *size)
{
    uint64_t value = 0;

    if (text[0] == '\0' || strlen(text) > 18)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *size = value;
    return true;
}

static bool
is_sha1(const char *text)
{
    return strlen(text) == ONNX_SHA1_DIGITS &&
           strspn(text, "0123456789abcdefABCDEF") == ONNX_SHA1_DIGITS;
}

static const char *const keys[] = {"location", "offset", "length", "checksum",
                                   "basepath"};

enum key { LOCATION, OFFSET, LENGTH, CHECKSUM, BASEPATH, KEY_COUNT };

/* `text` is the value, of which only so much was read as has room. */
static int
set_external(struct parsing *p, uint32_t key, const char *text,
             const struct onnx_field *field)
{
    struct onnx_external *external = &p->tensor->external;
    bool whole = strlen(text) == field->size_bytes;

    if ((p->keys & 1u << key) != 0)
        return fail(p, CKPT_FORMAT, field->tag_offset,
                    "external_data: a key that comes twice");
    p->keys |= 1u << key;
    if (key == LOCATION && whole) {
        memcpy(external->location, text, strlen(text) + 1);
        external->byte = field->offset;
    } else if (key == LOCATION) {
        return fail(p, CKPT_FORMAT, field->offset,
                    "external_data: a location that is too long, or has a NUL "
                    "in it");
    } else if (key == CHECKSUM && whole && is_sha1(text)) {
        memcpy(external->checksum, text, ONNX_SHA1_DIGITS + 1);
    } else if (key == CHECKSUM) {
        p->wire->host->warn(p->wire->host, p->tensor->label, field->offset,
                            "external_data: a checksum that is no SHA-1 is "
                            "passed over");
    } else if ((key == OFFSET || key == LENGTH) &&
               !(whole &&
                 parse_size(text, key == OFFSET ? &external->offset
                                                : &external->size_bytes))) {
        return fail(p, CKPT_FORMAT, field->offset,
                    key == OFFSET ? "external_data: an offset that is no size"
                                  : "external_data: a length that is no size");
    }
    external->sized = external->sized || key == LENGTH;
    return CKPT_OK;
}

static int
read_text(const struct parsing *p, const struct onnx_field *field, char *text,
          size_t room)
{
    size_t size =
        field->size_bytes < room ? (size_t)field->size_bytes : room - 1;

    text[size] = '\0';
    return onnx_wire_copy(p->wire, field->offset, text, size);
}

static int
read_pair(struct parsing *p, struct onnx_field *key, struct onnx_field *value,
          const struct onnx_field *field)
{
    struct onnx_field part;
    struct onnx_wire inner;
    int status = onnx_wire_enter(p->wire, field, &onnx_pair_message, &inner);

    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK) {
        if (part.number == ONNX_PAIR_KEY)
            *key = part;
        else if (part.number == ONNX_PAIR_VALUE)
            *value = part;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
read_external(struct parsing *p, const struct onnx_field *field)
{
    struct onnx_field key = {.offset = field->offset}, value = key;
    char text[ONNX_LOCATION_BYTES_MAX], name[24];
    uint32_t i;
    int status = read_pair(p, &key, &value, field);

    if (status == CKPT_OK)
        status = read_text(p, &key, name, sizeof name);
    if (status == CKPT_OK)
        status = read_text(p, &value, text, sizeof text);
    if (status != CKPT_OK)
        return status;
    for (i = 0; i < KEY_COUNT; i++)
        if (strlen(keys[i]) == key.size_bytes && strcmp(name, keys[i]) == 0)
            return set_external(p, i, text, &value);
    p->wire->host->warn(p->wire->host, p->tensor->label, key.offset,
                        "external_data: an unknown key is passed over: %s",
                        name);
    return CKPT_OK;
}

/* ---- Fields ---- */

void
onnx_numbers_add(struct onnx_numbers *numbers, const struct onnx_field *field)
{
    if (numbers->field == 0)
        numbers->offset = field->offset;
    numbers->field = field->number;
    numbers->runs++;
    numbers->data_bytes += field->size_bytes;
}

static int
read_field(struct parsing *p, const struct onnx_field *field)
{
    struct onnx_tensor *tensor = p->tensor;

    switch (field->number) {
    case ONNX_TENSOR_DIMS:
        return read_dims(p, field);
    case ONNX_TENSOR_TYPE:
        p->type = field->value;
        p->type_byte = field->offset;
        return CKPT_OK;
    case ONNX_TENSOR_SEGMENT:
        p->segment_byte = field->tag_offset;
        return CKPT_OK;
    case ONNX_TENSOR_STRINGS:
        p->strings_byte = field->tag_offset;
        return CKPT_OK;
    case ONNX_TENSOR_FLOATS:
    case ONNX_TENSOR_INT32S:
    case ONNX_TENSOR_INT64S:
    case ONNX_TENSOR_DOUBLES:
    case ONNX_TENSOR_UINT64S:
        if (field->size_bytes == 0)
            return CKPT_OK;
        if (tensor->numbers.field != 0 &&
            tensor->numbers.field != field->number)
            return fail(p, CKPT_FORMAT, field->tag_offset,
                        "values in two fields");
        onnx_numbers_add(&tensor->numbers, field);
        return CKPT_OK;
    case ONNX_TENSOR_RAW:
        tensor->raw = true;
        tensor->raw_offset = field->offset;
        tensor->raw_bytes = field->size_bytes;
        return CKPT_OK;
    case ONNX_TENSOR_DOC:
        tensor->doc = *field;
        return CKPT_OK;
    case ONNX_TENSOR_EXTERNAL:
        return read_external(p, field);
    case ONNX_TENSOR_LOCATION:
        p->location = field->value;
        if (field->value > 1)
            return fail(p, CKPT_FORMAT, field->offset,
                        "a data_location that is neither 0 nor 1");
        return CKPT_OK;
    case ONNX_TENSOR_METADATA:
        tensor->metadata = true;
        return CKPT_OK;
    default:
        return CKPT_OK;
    }
}

/* ---- Checks ---- */

static int
check_type(struct parsing *p)
{
    const struct ckpt_host *host = p->wire->host;
    const struct onnx_type *type;

    if (p->type == TYPE_STRING || p->strings_byte != CKPT_NOWHERE)
        return fail(p, CKPT_UNSUPPORTED,
                    p->type == TYPE_STRING ? p->type_byte : p->strings_byte,
                    "a tensor of strings");
    if (p->segment_byte != CKPT_NOWHERE)
        return fail(p, CKPT_UNSUPPORTED, p->segment_byte,
                    "a tensor in segments");
    if (p->type == 0)
        return fail(p, CKPT_FORMAT, p->tensor->offset,
                    "a tensor without a data type");
    type = onnx_type_of_code(p->type);
    if (type == NULL)
        return host->fail(host, CKPT_UNSUPPORTED, p->tensor->label,
                          p->type_byte, "the unknown data type %llu",
                          (unsigned long long)p->type);
    p->tensor->dtype = type->dtype;
    return CKPT_OK;
}

static int
check_shape(struct parsing *p)
{
    struct onnx_tensor *tensor = p->tensor;
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype), i;
    uint64_t count = 1, bits;
    bool fits = true;

    /* A dimension of zero makes all of it empty, whatever the others say. */
    for (i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] == 0)
            count = 0;
    for (i = 0; i < tensor->rank && fits && count > 0; i++)
        fits = sdk_mul_u64(count, tensor->shape[i], &count);
    if (!fits || !sdk_mul_u64(count, width, &bits) || bits > UINT64_MAX - 7)
        return fail(p, CKPT_FORMAT, tensor->offset, "a shape that overflows");
    tensor->element_count = count;
    tensor->data_bytes = (bits + 7) / 8;
    return CKPT_OK;
}

uint64_t
onnx_tensor_numbers(const struct onnx_tensor *tensor)
{
    const struct onnx_typed *typed = &onnx_type_of_dtype(tensor->dtype)->typed;

    return typed->bits > 0 ? tensor->element_count
                           : tensor->data_bytes / typed->item_bytes;
}

/* Fixed numbers can be told from their bytes; others have one to ten each. */
static int
check_numbers(const struct parsing *p)
{
    const struct onnx_tensor *tensor = p->tensor;
    const struct onnx_typed *typed = &onnx_type_of_dtype(tensor->dtype)->typed;
    const struct onnx_numbers *numbers = &tensor->numbers;
    uint64_t count = onnx_tensor_numbers(tensor);
    bool fixed = typed->field == ONNX_TENSOR_FLOATS ||
                 typed->field == ONNX_TENSOR_DOUBLES;

    if (numbers->field != typed->field)
        return fail(p, CKPT_FORMAT, numbers->offset,
                    "values in the field of another data type");
    if (fixed ? numbers->data_bytes != tensor->data_bytes
              : numbers->data_bytes < count || numbers->data_bytes / 10 > count)
        return fail(p, CKPT_FORMAT, numbers->offset,
                    "more or fewer values than its shape has");
    return CKPT_OK;
}

static int
check_data(struct parsing *p)
{
    struct onnx_tensor *tensor = p->tensor;
    const struct ckpt_host *host = p->wire->host;
    bool values = tensor->raw_bytes > 0 || tensor->numbers.field != 0;

    tensor->outside = p->location == 1;
    if (tensor->outside && values)
        return fail(p, CKPT_FORMAT, tensor->offset,
                    "values both here and in another file");
    if (tensor->outside && tensor->external.byte == CKPT_NOWHERE)
        return fail(p, CKPT_FORMAT, tensor->offset,
                    "external_data without a location");
    if (tensor->outside)
        return CKPT_OK;
    if (p->keys != 0)
        host->warn(host, tensor->label, tensor->offset,
                   "external_data is passed over: data_location says that the "
                   "values are here");
    if (tensor->raw_bytes > 0 && tensor->numbers.field != 0)
        return fail(p, CKPT_FORMAT, tensor->raw_offset, "values in two fields");
    if (tensor->numbers.field != 0)
        return check_numbers(p);
    if (tensor->raw_bytes == tensor->data_bytes)
        return CKPT_OK;
    if (!tensor->raw)
        return fail(p, CKPT_FORMAT, tensor->offset, "it has no values");
    return host->fail(host, CKPT_FORMAT, tensor->label, tensor->raw_offset,
                      "%llu bytes of raw_data, its shape takes %llu",
                      (unsigned long long)tensor->raw_bytes,
                      (unsigned long long)tensor->data_bytes);
}

int
onnx_tensor_read(const struct onnx_wire *wire, const char *label,
                 uint64_t offset, uint64_t size_bytes, uint32_t depth,
                 struct onnx_tensor *tensor)
{
    struct onnx_field field;
    struct onnx_wire inner;
    struct parsing p = {.wire = &inner,
                        .tensor = tensor,
                        .strings_byte = CKPT_NOWHERE,
                        .segment_byte = CKPT_NOWHERE};
    int status;

    memset(tensor, 0, sizeof *tensor);
    tensor->label = label;
    tensor->offset = offset;
    tensor->size_bytes = size_bytes;
    tensor->depth = depth;
    tensor->external.byte = CKPT_NOWHERE;
    onnx_wire_again(wire, offset, size_bytes, depth, &onnx_tensor_message,
                    &inner);
    while ((status = onnx_wire_next(&inner, &field)) == CKPT_OK) {
        status = read_field(&p, &field);
        if (status != CKPT_OK)
            return status;
    }
    if (status == CKPT_END)
        status = check_type(&p);
    if (status == CKPT_OK)
        status = check_shape(&p);
    return status == CKPT_OK ? check_data(&p) : status;
}
