/* SPDX-License-Identifier: MIT
 *
 * Fractal heaps.
 *
 *  1. header: "FRHP", version 0, size of an id u16, of filters u16, flags u8
 *     (1: direct blocks have checksums), most bytes of a managed object u32,
 *     next huge id and B-tree of huge objects u64, ten sums u64; width of the
 *     table u16, first and largest size of a direct block u64, bits of an
 *     offset u16, rows of the root at first u16, address of the root u64, its
 *     rows u16 (0: it is a direct block), checksum u32.
 *  2. A table has rows of `width` blocks: two rows of the first size, then
 *     twice as large each; rows beyond the largest direct size are tables
 *     again. Offsets of objects count over all blocks, heads included.
 *  3. direct block: "FHDB", version 0, address of the header u64, its offset,
 *     checksum u32 if flag 1, objects.
 *  4. indirect block: "FHIB", version 0, address of the header u64, its
 *     offset, addresses u64 of direct, then of indirect blocks, checksum u32.
 *  5. id of a managed object: kind 0 in bits 4 and 5, offset, length.
 */
#include "hdf5_walk_dense.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 146
#define SIGNATURE_BYTES 4
#define CHECKSUM_BYTES 4
#define HEADER_SUMMED 2 /* a flag */
#define SIZE_BITS_MAX 40
#define ROWS_MAX 64

struct dense_segment {
    uint64_t offset, size_bytes; /* in the heap */
    uint64_t address;            /* in the file */
    size_t at;                   /* in hdf5_dense.bytes */
};

/* A table that is to be read. */
struct table {
    uint64_t address, offset;
    unsigned rows;
};

struct heap {
    struct hdf5_walk *walk;
    struct hdf5_dense *dense;
    uint64_t address, root;
    unsigned width_bits, first_bits, largest_bits, offset_bits;
    unsigned root_rows;
    bool summed;
    struct sdk_buffer tables; /* struct table: a stack */
};

static int
dense_wrong(struct hdf5_walk *walk, uint64_t address, const char *what)
{
    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + address, "there should be %s", what);
}

/* The power of two that a number is, or ROWS_MAX. */
static unsigned
dense_bits(uint64_t number)
{
    unsigned bits = 0;

    while (bits < ROWS_MAX - 1 && UINT64_C(1) << bits != number)
        bits++;
    return UINT64_C(1) << bits == number ? bits : ROWS_MAX;
}

/* The bytes that numbers up to a limit take. */
static unsigned
dense_number_bytes(uint64_t limit)
{
    unsigned bytes = 1;

    while (bytes < 8 && limit >> (8 * bytes) != 0)
        bytes++;
    return bytes;
}

/* The sizes; CKPT_END for those that nobody writes. */
static int
heap_sizes(struct heap *heap, struct hdf5_run *run, uint32_t object_max)
{
    struct hdf5_dense *dense = heap->dense;
    unsigned most;

    heap->width_bits = dense_bits(hdf5_take_u16(run));
    heap->first_bits = dense_bits(hdf5_take_u64(run));
    heap->largest_bits = dense_bits(hdf5_take_u64(run));
    heap->offset_bits = hdf5_take_u16(run);
    hdf5_take(run, 2);
    heap->root = hdf5_take_u64(run);
    heap->root_rows = hdf5_take_u16(run);
    if (heap->width_bits > 16 || heap->first_bits > SIZE_BITS_MAX ||
        heap->largest_bits > SIZE_BITS_MAX ||
        heap->largest_bits < heap->first_bits || heap->offset_bits > 64 ||
        heap->offset_bits < heap->first_bits + heap->width_bits ||
        heap->root_rows + heap->first_bits + heap->width_bits > ROWS_MAX)
        return CKPT_END;
    dense->offset_bytes = (heap->offset_bits + 7) / 8;
    dense->length_bytes = dense_number_bytes(UINT64_C(1) << heap->largest_bits);
    most = dense_number_bytes(object_max);
    if (most < dense->length_bytes)
        dense->length_bytes = most;
    return 1 + dense->offset_bytes + dense->length_bytes <= dense->id_bytes
               ? CKPT_OK
               : CKPT_END;
}

static int
heap_header(struct heap *heap)
{
    struct hdf5_walk *walk = heap->walk;
    struct hdf5_run run = {NULL, HEADER_BYTES, heap->address, false};
    uint32_t object_max;
    unsigned filters;
    int status =
        hdf5_look(walk, heap->address, HEADER_BYTES, "a fractal heap", &run.at);

    if (status != CKPT_OK)
        return status;
    if (memcmp(run.at, "FRHP", SIGNATURE_BYTES) != 0 || run.at[4] != 0)
        return dense_wrong(walk, heap->address, "a fractal heap");
    if (sdk_load_le16(run.at + 7) == 0 &&
        !hdf5_checksum_holds(
            run.at, HEADER_BYTES - CHECKSUM_BYTES,
            sdk_load_le32(run.at + HEADER_BYTES - CHECKSUM_BYTES)))
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->base + heap->address,
                                "the checksum of a fractal heap is wrong");
    hdf5_take(&run, 5);
    heap->dense->id_bytes = hdf5_take_u16(&run);
    filters = hdf5_take_u16(&run);
    heap->summed = (hdf5_take_u8(&run) & HEADER_SUMMED) != 0;
    object_max = hdf5_take_u32(&run);
    hdf5_take(&run, 96);
    return filters != 0 ? CKPT_END : heap_sizes(heap, &run, object_max);
}

/* The size of the blocks of a row, and where in its table it begins. */
static unsigned
row_bits(const struct heap *heap, unsigned row)
{
    return heap->first_bits + (row > 0 ? row - 1 : 0);
}

static uint64_t
row_offset(const struct heap *heap, unsigned row)
{
    return row > 0 ? UINT64_C(1) << (row_bits(heap, row) + heap->width_bits)
                   : 0;
}

/* Whether a block is one, and its checksum holds, which counts as 0 in it. */
static bool
heap_block_holds(const struct heap *heap, unsigned char *bytes, size_t size)
{
    size_t at = 13 + heap->dense->offset_bytes;
    uint32_t sum;

    if (size < at + CHECKSUM_BYTES ||
        memcmp(bytes, "FHDB", SIGNATURE_BYTES) != 0)
        return false;
    if (!heap->summed)
        return true;
    sum = sdk_load_le32(bytes + at);
    memset(bytes + at, 0, CHECKSUM_BYTES);
    return hdf5_checksum_holds(bytes, size, sum);
}

static int
heap_direct(struct heap *heap, uint64_t address, uint64_t offset,
            unsigned size_bits)
{
    struct hdf5_dense *dense = heap->dense;
    struct dense_segment segment = {
        .offset = offset,
        .size_bytes = UINT64_C(1) << size_bits,
        .address = address,
        .at = dense->bytes.size_bytes,
    };
    int status = hdf5_load(heap->walk, address, segment.size_bytes,
                           "a block of a fractal heap", &dense->bytes);

    if (status != CKPT_OK)
        return status;
    if (!heap_block_holds(heap, dense->bytes.data + segment.at,
                          (size_t)segment.size_bytes))
        return dense_wrong(heap->walk, address, "a block of a fractal heap");
    return sdk_buffer_append(heap->walk->host, &dense->segments, &segment,
                             sizeof segment);
}

static int
heap_push(struct heap *heap, uint64_t address, uint64_t offset, unsigned rows)
{
    struct table table = {address, offset, rows};

    return sdk_buffer_append(heap->walk->host, &heap->tables, &table,
                             sizeof table);
}

/* One entry of a table: nothing, a direct block, or a further table. */
static int
heap_entry(struct heap *heap, const struct table *table, unsigned row,
           uint64_t column, uint64_t address)
{
    unsigned bits = row_bits(heap, row);
    uint64_t offset = table->offset + row_offset(heap, row) + (column << bits);

    if (address == WALK_NOWHERE)
        return CKPT_OK;
    if (bits <= heap->largest_bits)
        return heap_direct(heap, address, offset, bits);
    if (bits < heap->first_bits + heap->width_bits)
        return CKPT_END;
    return heap_push(heap, address, offset,
                     bits - heap->first_bits - heap->width_bits + 1);
}

/* A table: its bytes are copied, for its blocks are read on the way. */
static int
heap_table(struct heap *heap, const struct table *table)
{
    struct hdf5_walk *walk = heap->walk;
    size_t head = 13 + heap->dense->offset_bytes;
    uint64_t width = UINT64_C(1) << heap->width_bits, i;
    uint64_t size = head + 8 * width * table->rows + CHECKSUM_BYTES;
    struct sdk_buffer bytes = {0};
    int status = hdf5_load(walk, table->address, size,
                           "a table of a fractal heap", &bytes);

    if (status == CKPT_OK &&
        (memcmp(bytes.data, "FHIB", SIGNATURE_BYTES) != 0 ||
         !hdf5_checksum_holds(
             bytes.data, (size_t)size - CHECKSUM_BYTES,
             sdk_load_le32(bytes.data + size - CHECKSUM_BYTES))))
        status = dense_wrong(walk, table->address, "a table of a fractal heap");
    for (i = 0; i < width * table->rows && status == CKPT_OK; i++)
        status = heap_entry(heap, table, (unsigned)(i >> heap->width_bits),
                            i & (width - 1),
                            sdk_load_le64(bytes.data + head + 8 * i));
    sdk_buffer_fini(walk->host, &bytes);
    return status;
}

static int
heap_blocks(struct heap *heap)
{
    struct table table;
    int status;

    if (heap->root == WALK_NOWHERE)
        return CKPT_OK;
    if (heap->root_rows == 0)
        return heap_direct(heap, heap->root, 0, heap->first_bits);
    status = heap_push(heap, heap->root, 0, heap->root_rows);
    while (status == CKPT_OK && heap->tables.size_bytes > 0) {
        heap->tables.size_bytes -= sizeof table;
        memcpy(&table, heap->tables.data + heap->tables.size_bytes,
               sizeof table);
        status = heap_table(heap, &table);
    }
    return status;
}

static int
segment_order(const void *left, const void *right)
{
    const struct dense_segment *a = left, *b = right;

    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

int
hdf5_dense_read(struct hdf5_walk *walk, uint64_t address, uint64_t tree,
                enum hdf5_tree_kind kind, struct hdf5_dense *dense)
{
    struct heap heap = {.walk = walk, .dense = dense, .address = address};
    int status = heap_header(&heap);

    if (status == CKPT_OK)
        status = heap_blocks(&heap);
    sdk_buffer_fini(walk->host, &heap.tables);
    if (dense->segments.size_bytes > 0)
        qsort(dense->segments.data,
              dense->segments.size_bytes / sizeof(struct dense_segment),
              sizeof(struct dense_segment), segment_order);
    if (status == CKPT_OK)
        status = hdf5_dense_records(walk, tree, kind, dense);
    return status;
}

void
hdf5_dense_fini(struct hdf5_walk *walk, struct hdf5_dense *dense)
{
    sdk_buffer_fini(walk->host, &dense->bytes);
    sdk_buffer_fini(walk->host, &dense->segments);
    sdk_buffer_fini(walk->host, &dense->records);
}

size_t
hdf5_dense_count(const struct hdf5_dense *dense)
{
    return dense->record_bytes > 0
               ? dense->records.size_bytes / dense->record_bytes
               : 0;
}

/* The segment of an offset, or NULL. */
static const struct dense_segment *
dense_segment(const struct hdf5_dense *dense, uint64_t offset)
{
    const struct dense_segment *segments =
        (const struct dense_segment *)(void *)dense->segments.data;
    size_t low = 0, high = dense->segments.size_bytes / sizeof *segments;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (segments[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 ||
        offset - segments[low - 1].offset >= segments[low - 1].size_bytes)
        return NULL;
    return &segments[low - 1];
}

int
hdf5_dense_object(struct hdf5_walk *walk, const struct hdf5_dense *dense,
                  size_t index, size_t id_at, struct hdf5_run *run)
{
    struct hdf5_run id = {dense->records.data + index * dense->record_bytes,
                          dense->record_bytes, 0, false};
    const struct dense_segment *segment;
    uint64_t offset, length;
    uint8_t kind;

    hdf5_take(&id, id_at);
    kind = hdf5_take_u8(&id);
    offset = hdf5_take_uint(&id, dense->offset_bytes);
    length = hdf5_take_uint(&id, dense->length_bytes);
    if (id.cut || kind != 0)
        return CKPT_END;
    segment = dense_segment(dense, offset);
    if (segment == NULL ||
        length > segment->size_bytes - (offset - segment->offset))
        return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                                walk->object->offset,
                                "an object that its fractal heap does not "
                                "hold");
    offset -= segment->offset;
    run->at = dense->bytes.data + segment->at + offset;
    run->left = (size_t)length;
    run->address = segment->address + offset;
    run->cut = false;
    return CKPT_OK;
}
