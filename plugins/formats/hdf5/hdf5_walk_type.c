/* SPDX-License-Identifier: MIT
 *
 * Messages 1 and 3, dataspaces and datatypes.
 *
 *  1. space, version 1: rank u8 at 1, flags at 2, dimensions u64 from 8 on;
 *     version 2: rank at 1, flags, kind (0 scalar, 1 simple, 2 null), then
 *     dimensions. Flag 0: maximal dimensions follow.
 *  2. type: class in the low and version in the high half of a byte, 24 bits
 *     of flags, size u32, then by class:
 *     0 integer: bit offset u16, precision u16; flag 0 big-endian, 3 signed;
 *     1 float: the same, and place and width u8 of exponent and mantissa, bias
 *       u32; flags 0 and 6 order, 4-5 how the mantissa is normal, 8-15 sign;
 *     3 string: flags 0-3 padding;  5 opaque: flags 0-7 size of the tag;
 *     6 compound: flags 0-15 members; each is name, offset, type;
 *     8 enum: flags 0-15 members; an integer type, names, values;
 *     9 variable length: flags 0-3 are 1 for strings;
 *     11 complex (from libhdf5 2.0 on): the type of both parts.
 *     Names end with NUL and, before version 3, are padded to 8 bytes.
 *  3. shared: version, kind, (version 1: 6 unused) address of a committed type.
 */
#include <string.h>

#include "hdf5_walk_file.h"

enum type_class {
    CLASS_INTEGER = 0,
    CLASS_FLOAT,
    CLASS_TIME,
    CLASS_STRING,
    CLASS_BITFIELD,
    CLASS_OPAQUE,
    CLASS_COMPOUND,
    CLASS_REFERENCE,
    CLASS_ENUM,
    CLASS_VARIABLE,
    CLASS_ARRAY,
    CLASS_COMPLEX,
    CLASS_COUNT
};

static const char *const class_names[CLASS_COUNT] = {
    [CLASS_TIME] = "a time",
    [CLASS_BITFIELD] = "a bit field",
    [CLASS_COMPOUND] = "a compound",
    [CLASS_REFERENCE] = "a reference",
    [CLASS_ENUM] = "an enum",
    [CLASS_VARIABLE] = "a variable-length sequence",
    [CLASS_ARRAY] = "an array",
    [CLASS_COMPLEX] = "a complex number of an unknown form",
};

#define TYPE_VERSION_MAX 5
#define SHARED_COMMITTED 2

/* The first 8 bytes of a type. */
struct type_head {
    uint32_t class, version, flags, size_bytes;
};

int
hdf5_walk_space(struct hdf5_walk *walk, struct hdf5_run *run,
                struct hdf5_space *space)
{
    uint64_t shape[HDF5_RANK_MAX] = {0};
    uint8_t version = hdf5_take_u8(run), rank = hdf5_take_u8(run), i;
    uint32_t kind;
    int status;

    hdf5_take(run, 1);
    kind = hdf5_take_u8(run);
    if (!run->cut && version != 1 && version != 2)
        return CKPT_END;
    if (version == 1) {
        hdf5_take(run, 4);
        kind = rank > 0;
    }
    for (i = 0; rank <= HDF5_RANK_MAX && i < rank; i++)
        shape[i] = hdf5_take_u64(run);
    status = hdf5_run_check(walk, run, "a data space");
    if (status != CKPT_OK)
        return status;
    if (kind > 2)
        return CKPT_END;
    return hdf5_space_make(walk->tree, HDF5_SCALAR + kind, rank, shape,
                           walk->base + run->address, space);
}

static struct type_head
type_head(struct hdf5_run *run)
{
    uint32_t first = hdf5_take_u32(run);
    struct type_head head = {
        .class = first & 0x0F,
        .version = first >> 4 & 0x0F,
        .flags = first >> 8,
        .size_bytes = hdf5_take_u32(run),
    };

    return head;
}

static void
type_number(struct hdf5_run *run, const struct type_head *head,
            struct hdf5_type *type)
{
    struct hdf5_bits bits = {
        .is_float = head->class == CLASS_FLOAT,
        .big_endian = (head->flags & 1) != 0,
        .is_signed = (head->flags & 8) != 0,
        .size_bytes = head->size_bytes,
        .offset_bits = hdf5_take_u16(run),
        .precision_bits = hdf5_take_u16(run),
    };

    if (bits.is_float) {
        bits.sign_at = head->flags >> 8 & 0xFF;
        bits.implied = head->flags >> 4 & 3;
        bits.exponent_at = hdf5_take_u8(run);
        bits.exponent_bits = hdf5_take_u8(run);
        bits.mantissa_at = hdf5_take_u8(run);
        bits.mantissa_bits = hdf5_take_u8(run);
        bits.bias = hdf5_take_u32(run);
        if (head->flags & 0x40) /* the order of a VAX */
            bits.precision_bits = 0;
    }
    hdf5_type_number(&bits, type);
}

/* A name that ends with NUL, in the arena; NULL if the run is cut, and then
 * `*status` is that of hdf5_run_check, or CKPT_MEMORY. */
static const char *
type_name(struct hdf5_walk *walk, struct hdf5_run *run, uint32_t version,
          int *status)
{
    const unsigned char *nul =
        run->left > 0 ? memchr(run->at, 0, run->left) : NULL;
    const char *name;
    size_t size, padded;

    if (run->cut || nul == NULL) {
        run->cut = true;
        *status = hdf5_run_check(walk, run, "a data type");
        return NULL;
    }
    size = (size_t)(nul - run->at);
    padded = version < 3 ? (size + 8) / 8 * 8 : size + 1;
    name = hdf5_tree_copy(walk->tree, run->at, size);
    if (name == NULL)
        *status = CKPT_MEMORY;
    hdf5_take(run, padded);
    return name;
}

static int
type_opaque(struct hdf5_walk *walk, struct hdf5_run *run,
            const struct type_head *head, struct hdf5_type *type)
{
    struct hdf5_run tag = hdf5_take_run(run, head->flags & 0xFF);
    char *copy = hdf5_tree_copy(walk->tree, tag.at, tag.left);

    if (copy == NULL)
        return CKPT_MEMORY;
    memset(type, 0, sizeof *type);
    type->class = HDF5_OPAQUE;
    type->size_bytes = head->size_bytes;
    type->tag = copy;
    return CKPT_OK;
}

/* The bytes that an offset takes in a compound of version 3. */
static size_t
type_offset_bytes(uint32_t size_bytes)
{
    size_t bytes = 1;

    while (bytes < 4 && size_bytes >> (8 * bytes) != 0)
        bytes++;
    return bytes;
}

/* One member of what may be a complex number; OTHER if it cannot be. */
static int
type_member(struct hdf5_walk *walk, struct hdf5_run *run,
            const struct type_head *head, const char **name, uint32_t *offset,
            struct hdf5_type *type)
{
    struct type_head part;
    int status = CKPT_OK;

    *name = type_name(walk, run, head->version, &status);
    if (*name == NULL)
        return status;
    *offset = (uint32_t)hdf5_take_uint(
        run, head->version < 3 ? 4 : type_offset_bytes(head->size_bytes));
    if (head->version == 1) /* rank, permutation and sizes of an array */
        hdf5_take(run, 28);
    part = type_head(run);
    hdf5_type_other("a compound", head->size_bytes, type);
    if (part.class == CLASS_FLOAT)
        type_number(run, &part, type);
    return CKPT_OK;
}

static bool
type_same(const struct hdf5_type *a, const struct hdf5_type *b)
{
    return a->class == HDF5_NUMBER && b->class == HDF5_NUMBER &&
           a->dtype == b->dtype && a->byte_order == b->byte_order;
}

static int
type_compound(struct hdf5_walk *walk, struct hdf5_run *run,
              const struct type_head *head, struct hdf5_type *type)
{
    struct hdf5_type first, second;
    const char *first_name, *second_name;
    uint32_t first_at, second_at;
    int status;

    hdf5_type_other("a compound", head->size_bytes, type);
    if ((head->flags & 0xFFFF) != 2)
        return CKPT_OK;
    status = type_member(walk, run, head, &first_name, &first_at, &first);
    if (status != CKPT_OK || first.class != HDF5_NUMBER)
        return status;
    status = type_member(walk, run, head, &second_name, &second_at, &second);
    if (status == CKPT_OK && type_same(&first, &second) && first_at == 0 &&
        second_at == first.size_bytes &&
        head->size_bytes == 2 * first.size_bytes)
        hdf5_type_complex(first_name, second_name, &first, type);
    return status;
}

static int64_t
type_value(const unsigned char *bytes, const struct hdf5_type *integer)
{
    bool is_signed =
        integer->dtype == CKPT_INT8 || integer->dtype == CKPT_INT16 ||
        integer->dtype == CKPT_INT32 || integer->dtype == CKPT_INT64;
    uint32_t size = integer->size_bytes, i, at;
    uint64_t number = 0;

    for (i = 0; i < size; i++) {
        at = integer->byte_order == CKPT_BIG_ENDIAN ? i : size - 1 - i;
        number = number << 8 | bytes[at];
    }
    if (is_signed && size < 8 && number >> (8 * size - 1) != 0)
        number |= UINT64_MAX << (8 * size);
    return (int64_t)number;
}

static int
type_enum(struct hdf5_walk *walk, struct hdf5_run *run,
          const struct type_head *head, struct hdf5_type *type)
{
    struct type_head base = type_head(run);
    uint32_t count = head->flags & 0xFFFF, i;
    struct hdf5_member *members;
    struct hdf5_type integer;
    const unsigned char *bytes;
    int status = CKPT_OK;

    hdf5_type_other("an enum", head->size_bytes, &integer);
    if (base.class == CLASS_INTEGER && base.size_bytes == head->size_bytes)
        type_number(run, &base, &integer);
    if (integer.class != HDF5_NUMBER || run->cut) {
        *type = integer;
        return CKPT_OK;
    }
    members = hdf5_tree_hold(walk->tree, count * sizeof *members);
    if (members == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count && status == CKPT_OK; i++)
        members[i].name = type_name(walk, run, head->version, &status);
    for (i = 0; i < count && status == CKPT_OK; i++) {
        bytes = hdf5_take(run, integer.size_bytes);
        if (bytes == NULL)
            return CKPT_OK; /* cut: the caller says so */
        members[i].number = type_value(bytes, &integer);
    }
    if (status == CKPT_OK)
        hdf5_type_enum(&integer, members, count, type);
    return status;
}

static void
type_complex(struct hdf5_run *run, const struct type_head *head,
             struct hdf5_type *type)
{
    struct type_head part = type_head(run);
    struct hdf5_type real;

    if (part.class != CLASS_FLOAT || head->size_bytes / 2 != part.size_bytes ||
        head->size_bytes % 2 != 0)
        return;
    type_number(run, &part, &real);
    if (real.class == HDF5_NUMBER)
        hdf5_type_complex("r", "i", &real, type);
}

static void
type_string(const struct type_head *head, struct hdf5_type *type)
{
    memset(type, 0, sizeof *type);
    type->class = HDF5_FIXED;
    type->size_bytes = head->size_bytes;
    type->padding = head->flags & 0x0F;
}

static void
type_variable(const struct type_head *head, struct hdf5_type *type)
{
    hdf5_type_other(class_names[CLASS_VARIABLE], head->size_bytes, type);
    if ((head->flags & 0x0F) == 1 && head->size_bytes == 16) {
        type->class = HDF5_VARIABLE;
        type->other = NULL;
    }
}

int
hdf5_walk_type(struct hdf5_walk *walk, struct hdf5_run *run,
               struct hdf5_type *type)
{
    struct type_head head = type_head(run);
    int status = hdf5_run_check(walk, run, "a data type");

    if (status != CKPT_OK)
        return status;
    if (head.class >= CLASS_COUNT || head.version == 0 ||
        head.version > TYPE_VERSION_MAX)
        return CKPT_END;
    if (head.size_bytes == 0)
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + run->address,
                                "a data type of 0 bytes");
    hdf5_type_other(class_names[head.class], head.size_bytes, type);
    if (head.class == CLASS_INTEGER || head.class == CLASS_FLOAT)
        type_number(run, &head, type);
    else if (head.class == CLASS_COMPLEX)
        type_complex(run, &head, type);
    else if (head.class == CLASS_STRING)
        type_string(&head, type);
    else if (head.class == CLASS_VARIABLE)
        type_variable(&head, type);
    else if (head.class == CLASS_OPAQUE)
        status = type_opaque(walk, run, &head, type);
    else if (head.class == CLASS_COMPOUND)
        status = type_compound(walk, run, &head, type);
    else if (head.class == CLASS_ENUM)
        status = type_enum(walk, run, &head, type);
    if (status == CKPT_OK)
        status = hdf5_run_check(walk, run, "a data type");
    return status;
}

int
hdf5_walk_named(struct hdf5_walk *walk, struct hdf5_object *object)
{
    const struct hdf5_message *message =
        hdf5_message_find(walk, HDF5_MESSAGE_TYPE);
    struct hdf5_run run;
    int status;

    if (message == NULL || hdf5_message_find(walk, HDF5_MESSAGE_LAYOUT) != NULL)
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + object->address,
                                "there should be a committed data type");
    if (message->flags & HDF5_MESSAGE_SHARED)
        return CKPT_END;
    run = hdf5_message_run(walk, message);
    status = hdf5_walk_type(walk, &run, &object->data.type);
    if (status == CKPT_OK)
        object->kind = HDF5_NAMED_TYPE;
    return status;
}

int
hdf5_walk_type_shared(struct hdf5_walk *walk, struct hdf5_run *run,
                      struct hdf5_type *type)
{
    struct hdf5_walk outer = *walk;
    uint8_t version = hdf5_take_u8(run), kind = hdf5_take_u8(run);
    struct hdf5_object *object;
    uint64_t address;
    bool added;
    int status;

    if (version == 1)
        hdf5_take(run, 6);
    address = hdf5_take_u64(run);
    status = hdf5_run_check(walk, run, "a shared message");
    if (status == CKPT_OK && (version < 1 || version > 3 ||
                              (version == 3 && kind != SHARED_COMMITTED)))
        status = CKPT_END;
    if (status == CKPT_OK)
        status = hdf5_tree_object(walk->tree, address, &object, &added);
    if (status != CKPT_OK)
        return status;
    if (object->kind == 0) {
        memset(&walk->header, 0, sizeof walk->header);
        memset(&walk->messages, 0, sizeof walk->messages);
        status = hdf5_header_read(walk, object->address);
        if (status == CKPT_OK)
            status = hdf5_walk_named(walk, object);
        sdk_buffer_fini(walk->host, &walk->header);
        sdk_buffer_fini(walk->host, &walk->messages);
        walk->header = outer.header;
        walk->messages = outer.messages;
        memcpy(walk->first, outer.first, sizeof walk->first);
    }
    if (status == CKPT_OK && object->kind != HDF5_NAMED_TYPE)
        status = walk->host->fail(
            walk->host, CKPT_FORMAT, hdf5_walk_name(walk), object->offset,
            "a shared data type is at an object of another kind");
    if (status == CKPT_OK)
        *type = object->data.type;
    return status;
}
