/* SPDX-License-Identifier: MIT
 *
 * Headers of a torch zip. Fields that stay 0 are not mentioned; `to` need
 * not be zeroed.
 */
#include "torch_zip_layout.h"

#include <stdbool.h>
#include <string.h>

#include "endian.h"

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    FIELD_HEAD_BYTES = 4,
    ALIGNMENT = 64,
    FLAG_DESCRIPTOR = 0x0008,
    FLAG_UTF8 = 0x0800
};

#define MAX_U32 UINT32_C(0xffffffff)

static uint32_t
layout_at_most(uint64_t value, uint32_t most)
{
    return value < most ? (uint32_t)value : most;
}

static bool
layout_big_size(const struct torch_zip_record *record)
{
    return record->size_bytes >= MAX_U32;
}

static bool
layout_big_offset(const struct torch_zip_record *record)
{
    return record->offset >= MAX_U32;
}

/* Bytes of the zip64 field, with its head; 0 if there is none. */
static size_t
layout_zip64_bytes(const struct torch_zip_record *record)
{
    size_t bytes = (layout_big_size(record) ? 16 : 0) +
                   (layout_big_offset(record) ? 8 : 0);

    return bytes == 0 ? 0 : bytes + FIELD_HEAD_BYTES;
}

static size_t
layout_padding_bytes(const struct torch_zip_record *record)
{
    uint64_t start = record->offset + LOCAL_BYTES + record->name_bytes +
                     layout_zip64_bytes(record) + FIELD_HEAD_BYTES;

    return (size_t)((ALIGNMENT - start % ALIGNMENT) % ALIGNMENT);
}

size_t
torch_zip_local_bytes(const struct torch_zip_record *record)
{
    return LOCAL_BYTES + record->name_bytes + layout_zip64_bytes(record) +
           FIELD_HEAD_BYTES + layout_padding_bytes(record);
}

size_t
torch_zip_descriptor_bytes(const struct torch_zip_record *record)
{
    if (record->size_bytes == 0)
        return 0;
    return layout_zip64_bytes(record) == 0 ? 16 : 24;
}

size_t
torch_zip_central_bytes(const struct torch_zip_record *record)
{
    return CENTRAL_BYTES + record->name_bytes + layout_zip64_bytes(record);
}

static unsigned char *
layout_put_name(unsigned char *to, const struct torch_zip_record *record)
{
    memcpy(to, record->name, record->name_bytes);
    return to + record->name_bytes;
}

/* `packed` is the size as it is said there: not known yet, or known. */
static unsigned char *
layout_put_zip64(unsigned char *to, const struct torch_zip_record *record,
                 uint64_t packed)
{
    size_t bytes = layout_zip64_bytes(record);

    if (bytes == 0)
        return to;
    sdk_store_le16(to, 1);
    sdk_store_le16(to + 2, (uint16_t)(bytes - FIELD_HEAD_BYTES));
    to += FIELD_HEAD_BYTES;
    if (layout_big_size(record)) {
        sdk_store_le64(to, record->size_bytes);
        sdk_store_le64(to + 8, packed);
        to += 16;
    }
    if (layout_big_offset(record)) {
        sdk_store_le64(to, record->offset);
        to += 8;
    }
    return to;
}

static uint16_t
layout_flags(const struct torch_zip_record *record)
{
    return record->size_bytes == 0 ? FLAG_UTF8 : FLAG_UTF8 | FLAG_DESCRIPTOR;
}

unsigned char *
torch_zip_put_local(unsigned char *to, const struct torch_zip_record *record)
{
    size_t padding = layout_padding_bytes(record);
    size_t extra = layout_zip64_bytes(record) + FIELD_HEAD_BYTES + padding;

    memset(to, 0, LOCAL_BYTES);
    memcpy(to, "PK\3\4", 4);
    sdk_store_le16(to + 6, layout_flags(record));
    sdk_store_le16(to + 26, (uint16_t)record->name_bytes);
    sdk_store_le16(to + 28, (uint16_t)extra);
    to = layout_put_name(to + LOCAL_BYTES, record);
    to = layout_put_zip64(to, record, 0);
    memcpy(to, "FB", 2);
    sdk_store_le16(to + 2, (uint16_t)padding);
    memset(to + FIELD_HEAD_BYTES, 'Z', padding);
    return to + FIELD_HEAD_BYTES + padding;
}

unsigned char *
torch_zip_put_descriptor(unsigned char *to,
                         const struct torch_zip_record *record)
{
    size_t bytes = torch_zip_descriptor_bytes(record);

    if (bytes == 0)
        return to;
    memcpy(to, "PK\7\10", 4);
    sdk_store_le32(to + 4, record->crc32);
    if (bytes == 16) {
        sdk_store_le32(to + 8, (uint32_t)record->size_bytes);
        sdk_store_le32(to + 12, (uint32_t)record->size_bytes);
    } else {
        sdk_store_le64(to + 8, record->size_bytes);
        sdk_store_le64(to + 16, record->size_bytes);
    }
    return to + bytes;
}

unsigned char *
torch_zip_put_central(unsigned char *to, const struct torch_zip_record *record)
{
    uint32_t size = layout_at_most(record->size_bytes, MAX_U32);

    memset(to, 0, CENTRAL_BYTES);
    memcpy(to, "PK\1\2", 4);
    sdk_store_le16(to + 8, layout_flags(record));
    sdk_store_le32(to + 16, record->crc32);
    sdk_store_le32(to + 20, size);
    sdk_store_le32(to + 24, size);
    sdk_store_le16(to + 28, (uint16_t)record->name_bytes);
    sdk_store_le16(to + 30, (uint16_t)layout_zip64_bytes(record));
    sdk_store_le32(to + 42, layout_at_most(record->offset, MAX_U32));
    to = layout_put_name(to + CENTRAL_BYTES, record);
    return layout_put_zip64(to, record, record->size_bytes);
}

void
torch_zip_put_end(unsigned char *to, uint64_t count, uint64_t offset,
                  uint64_t size_bytes)
{
    uint16_t few = (uint16_t)layout_at_most(count, 0xffff);

    memset(to, 0, TORCH_ZIP_END_BYTES);
    memcpy(to, "PK\6\6", 4); /* the zip64 end record */
    sdk_store_le64(to + 4, 44);
    sdk_store_le16(to + 12, 0x031e);
    sdk_store_le16(to + 14, 0x002d);
    sdk_store_le64(to + 24, count);
    sdk_store_le64(to + 32, count);
    sdk_store_le64(to + 40, size_bytes);
    sdk_store_le64(to + 48, offset);
    memcpy(to + 56, "PK\6\7", 4); /* its locator */
    sdk_store_le64(to + 64, offset + size_bytes);
    sdk_store_le32(to + 72, 1);
    memcpy(to + 76, "PK\5\6", 4); /* the end record */
    sdk_store_le16(to + 84, few);
    sdk_store_le16(to + 86, few);
    sdk_store_le32(to + 88, layout_at_most(size_bytes, MAX_U32));
    sdk_store_le32(to + 92, layout_at_most(offset, MAX_U32));
}
