/* SPDX-License-Identifier: MIT
 *
 * A zip archive made in memory by a writer without any checks, so that tests
 * can break one rule of the format at a time. It remembers where things are.
 */
#ifndef TESTS_ZIP_ARCHIVE_H
#define TESTS_ZIP_ARCHIVE_H

#include "endian.h"
#include "unit.h"

struct member {
    const char *name;
    const char *data; /* NULL: no data */
    uint16_t method, flags;
    uint32_t crc32;
    bool zip64;     /* sizes and offset in a zip64 field */
    uint32_t extra; /* bytes of another field in the local header */
};

struct archive {
    unsigned char data[8192];
    size_t size;
    size_t headers[8], entries[8];
    size_t count;
    size_t directory, end64, locator, end;
};

static inline void
put(struct archive *a, const void *bytes, size_t size)
{
    assert_true(size <= sizeof a->data - a->size);
    if (size > 0)
        memcpy(a->data + a->size, bytes, size);
    a->size += size;
}

static inline void
put16(struct archive *a, uint32_t value)
{
    unsigned char bytes[2];

    sdk_store_le16(bytes, (uint16_t)value);
    put(a, bytes, 2);
}

static inline void
put32(struct archive *a, uint32_t value)
{
    unsigned char bytes[4];

    sdk_store_le32(bytes, value);
    put(a, bytes, 4);
}

static inline void
put64(struct archive *a, uint64_t value)
{
    unsigned char bytes[8];

    sdk_store_le64(bytes, value);
    put(a, bytes, 8);
}

static inline void
put_zip64(struct archive *a, uint64_t size, uint64_t offset, bool central)
{
    put16(a, 1);
    put16(a, central ? 24 : 16);
    put64(a, size);
    put64(a, size);
    if (central)
        put64(a, offset);
}

static inline void
put_member(struct archive *a, const struct member *m)
{
    uint32_t size = m->data ? (uint32_t)strlen(m->data) : 0;
    bool later = m->flags & 8;

    a->headers[a->count++] = a->size;
    put(a, "PK\3\4", 4);
    put16(a, 20);
    put16(a, m->flags);
    put16(a, m->method);
    put32(a, 0);
    put32(a, later ? 0 : m->crc32);
    put32(a, m->zip64 ? UINT32_MAX : later ? 0 : size);
    put32(a, m->zip64 ? UINT32_MAX : later ? 0 : size);
    put16(a, (uint32_t)strlen(m->name));
    put16(a, (m->zip64 ? 20 : 0) + (m->extra ? m->extra + 4 : 0));
    put(a, m->name, strlen(m->name));
    if (m->zip64)
        put_zip64(a, size, 0, false);
    if (m->extra) {
        put16(a, 0x4246);
        put16(a, m->extra);
        a->size += m->extra;
    }
    put(a, m->data, size);
    if (later) {
        put(a, "PK\7\10", 4);
        put32(a, m->crc32);
        put32(a, size);
        put32(a, size);
    }
}

static inline void
put_entry(struct archive *a, const struct member *m, size_t index)
{
    uint32_t size = m->data ? (uint32_t)strlen(m->data) : 0;

    a->entries[index] = a->size;
    put(a, "PK\1\2", 4);
    put32(a, 20 << 16);
    put16(a, m->flags);
    put16(a, m->method);
    put32(a, 0);
    put32(a, m->crc32);
    put32(a, m->zip64 ? UINT32_MAX : size);
    put32(a, m->zip64 ? UINT32_MAX : size);
    put16(a, (uint32_t)strlen(m->name));
    put16(a, m->zip64 ? 28 : 0);
    put16(a, 0); /* comment */
    put16(a, 0); /* disk */
    put16(a, 0);
    put32(a, 0);
    put32(a, m->zip64 ? UINT32_MAX : (uint32_t)a->headers[index]);
    put(a, m->name, strlen(m->name));
    if (m->zip64)
        put_zip64(a, size, a->headers[index], true);
}

static inline void
put_end64(struct archive *a, uint64_t bytes)
{
    a->end64 = a->size;
    put(a, "PK\6\6", 4);
    put64(a, 44);
    put32(a, 0x2d031e);
    put64(a, 0); /* disks */
    put64(a, a->count);
    put64(a, a->count);
    put64(a, bytes);
    put64(a, a->directory);
    a->locator = a->size;
    put(a, "PK\6\7", 4);
    put32(a, 0);
    put64(a, a->end64);
    put32(a, 1);
}

static inline void
build(struct archive *a, const struct member *members, size_t count, bool wide)
{
    uint64_t bytes;
    size_t i;

    memset(a, 0, sizeof *a);
    for (i = 0; i < count; i++)
        put_member(a, &members[i]);
    a->directory = a->size;
    for (i = 0; i < count; i++)
        put_entry(a, &members[i], i);
    bytes = a->size - a->directory;
    if (wide)
        put_end64(a, bytes);
    a->end = a->size;
    put(a, "PK\5\6", 4);
    put32(a, 0);
    put16(a, (uint32_t)count);
    put16(a, (uint32_t)count);
    put32(a, (uint32_t)bytes);
    put32(a, (uint32_t)a->directory);
    put16(a, 0);
}

#endif
