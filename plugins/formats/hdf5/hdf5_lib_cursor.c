/* SPDX-License-Identifier: MIT
 *
 * Data that libhdf5 has to decode, from first to last element, byte order and
 * all as in the file. What is read at once is a slab: some steps along one
 * axis, all of the axes behind it, one index of those before. The axis is the
 * first of which a step fits the window, and the steps are whole rows of
 * chunks, so that a chunk is decoded once; only if a row of chunks is larger
 * than the window, several times. A slab is read in pieces of so many chunks,
 * because libhdf5 keeps 7 KiB for each of those that it is asked for at once.
 */
#include "hdf5_lib_private.h"

#include <string.h>

#include "checked.h"

#define SPAN_MAX ((size_t)1 << 20)
#define WINDOW_WANTED ((uint64_t)1 << 20)
#define CHUNKS_AT_ONCE 1024

struct cursor {
    struct hdf5_lib_place place;
    hid_t type, space;
    uint32_t rank, axis;
    hsize_t shape[HDF5_RANK_MAX];
    hsize_t piece[HDF5_RANK_MAX]; /* of a slab: the most along each axis */
    hsize_t start[HDF5_RANK_MAX]; /* of the next slab; [0] past its end: done */
    uint64_t step_bytes, steps;   /* along the axis; as many fit the window */
    unsigned char *window;
    void *chunk; /* counted for what libhdf5 takes itself */
    size_t filled_bytes, given_bytes;
};

static uint64_t
smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
parts(uint64_t whole, uint64_t part)
{
    return (whole + part - 1) / part;
}

/* Chooses axis and steps; the products were checked with the data's size. */
static void
cursor_slabs(struct cursor *cursor, const uint64_t *chunk, uint64_t window)
{
    const struct hdf5_data *data = &cursor->place.object->data;
    uint64_t bytes = data->type.size_bytes, row;
    uint32_t axis = cursor->rank - 1;

    while (axis > 0 && bytes * cursor->shape[axis] <= window) {
        bytes *= cursor->shape[axis];
        axis--;
    }
    row = smaller(chunk[axis], cursor->shape[axis]);
    cursor->axis = axis;
    cursor->step_bytes = bytes;
    if (row > window / bytes)
        cursor->steps = parts(row, parts(row, window / bytes));
    else if (row * bytes < WINDOW_WANTED)
        cursor->steps = WINDOW_WANTED / (row * bytes) * row;
    else
        cursor->steps = row;
    cursor->steps = smaller(cursor->steps, cursor->shape[axis]);
}

/* From the last axis on, whole axes as long as their chunks are few enough. */
static void
cursor_pieces(struct cursor *cursor, const uint64_t *chunk)
{
    uint64_t left = CHUNKS_AT_ONCE, chunks;
    uint32_t i = cursor->rank;

    while (i-- > 0) {
        chunks = parts(cursor->shape[i], chunk[i]);
        cursor->piece[i] = chunks <= left ? cursor->shape[i] : left * chunk[i];
        left = chunks <= left ? left / chunks : 1;
    }
}

static int
cursor_plan(struct cursor *cursor, hid_t list)
{
    const struct hdf5_lib_place *place = &cursor->place;
    const struct ckpt_host *host = place->lib->host;
    uint64_t chunk[HDF5_RANK_MAX], chunk_bytes, window = HDF5_LIB_WINDOW_MAX;
    int status = hdf5_lib_filters(place, list);

    if (status == CKPT_OK)
        status = hdf5_lib_chunk(place, list, chunk, &chunk_bytes);
    if (status != CKPT_OK)
        return status;
    if (chunk_bytes > window)
        window = chunk_bytes;
    cursor_slabs(cursor, chunk, window);
    cursor_pieces(cursor, chunk);
    cursor->chunk = host->allocate(host, 2 * (size_t)chunk_bytes);
    cursor->window =
        host->allocate(host, (size_t)(cursor->steps * cursor->step_bytes));
    return cursor->chunk != NULL && cursor->window != NULL ? CKPT_OK
                                                           : CKPT_MEMORY;
}

/* The file must still say what the tree says: sizes were checked there. */
static int
cursor_agrees(struct cursor *cursor)
{
    const struct hdf5_data *data = &cursor->place.object->data;
    int rank = H5Sget_simple_extent_ndims(cursor->space);
    uint32_t i;

    if (rank <= 0 || (uint32_t)rank != data->space.rank ||
        H5Tget_size(cursor->type) != data->type.size_bytes ||
        H5Sget_simple_extent_dims(cursor->space, cursor->shape, NULL) < 0)
        return hdf5_lib_fail(&cursor->place, "the shape is another one");
    cursor->rank = (uint32_t)rank;
    for (i = 0; i < cursor->rank; i++)
        if (cursor->shape[i] != data->space.shape[i])
            return hdf5_lib_fail(&cursor->place, "the shape is another one");
    return CKPT_OK;
}

static int
cursor_begin(struct cursor *cursor)
{
    struct hdf5_lib_place *place = &cursor->place;
    hid_t list;
    int status;

    place->id = hdf5_lib_object(place->lib, place->object->address);
    if (place->id < 0 || H5Iget_type(place->id) != H5I_DATASET)
        return hdf5_lib_fail(place, "the data set cannot be opened");
    cursor->type = H5Dget_type(place->id);
    cursor->space = H5Dget_space(place->id);
    list = H5Dget_create_plist(place->id);
    if (cursor->type < 0 || cursor->space < 0 || list < 0)
        status = hdf5_lib_fail(place, "the data set cannot be read");
    else
        status = cursor_agrees(cursor);
    if (status == CKPT_OK)
        status = cursor_plan(cursor, list);
    if (list >= 0)
        H5Pclose(list);
    return status;
}

int
hdf5_lib_cursor_open(struct hdf5_lib *lib, struct hdf5_tree *tree,
                     struct hdf5_object *object, void **cursor)
{
    const struct ckpt_host *host = lib->host;
    struct cursor *made = host->allocate(host, sizeof *made);
    struct hdf5_quiet quiet;
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->place.lib = lib;
    made->place.tree = tree;
    made->place.object = object;
    made->place.id = made->type = made->space = -1;
    hdf5_quiet_begin(&quiet);
    status = cursor_begin(made);
    hdf5_quiet_end(&quiet);
    if (status == CKPT_OK)
        *cursor = made;
    else
        hdf5_lib_cursor_close(host, made);
    return status;
}

/* ---- Slabs ---- */

/* One piece, at `at` in a slab of `count`. */
static bool
piece_read(struct cursor *cursor, hid_t memory, const hsize_t *at,
           const hsize_t *count)
{
    hsize_t start[HDF5_RANK_MAX], size[HDF5_RANK_MAX];
    uint32_t i;

    for (i = 0; i < cursor->rank; i++) {
        start[i] = cursor->start[i] + at[i];
        size[i] = smaller(count[i] - at[i], cursor->piece[i]);
    }
    return H5Sselect_hyperslab(cursor->space, H5S_SELECT_SET, start, NULL, size,
                               NULL) >= 0 &&
           H5Sselect_hyperslab(memory, H5S_SELECT_SET, at, NULL, size, NULL) >=
               0 &&
           H5Dread(cursor->place.id, cursor->type, memory, cursor->space,
                   H5P_DEFAULT, cursor->window) >= 0;
}

static int
slab_read(struct cursor *cursor, const hsize_t *count)
{
    hid_t memory = H5Screate_simple((int)cursor->rank, count, NULL);
    hsize_t at[HDF5_RANK_MAX] = {0};
    uint32_t axis;
    int status = CKPT_OK;

    while (status == CKPT_OK && at[0] < count[0]) {
        if (memory < 0 || !piece_read(cursor, memory, at, count))
            status =
                hdf5_lib_fail(&cursor->place, "the data cannot be decoded");
        axis = cursor->rank - 1;
        at[axis] += cursor->piece[axis];
        while (axis > 0 && at[axis] >= count[axis]) {
            at[axis] = 0;
            axis--;
            at[axis] += cursor->piece[axis];
        }
    }
    if (memory >= 0)
        H5Sclose(memory);
    return status;
}

/* To the slab behind one of so many steps. */
static void
slab_advance(struct cursor *cursor, hsize_t steps)
{
    uint32_t axis = cursor->axis;

    cursor->start[axis] += steps;
    while (axis > 0 && cursor->start[axis] >= cursor->shape[axis]) {
        cursor->start[axis] = 0;
        cursor->start[--axis]++;
    }
}

static int
cursor_fill(struct cursor *cursor)
{
    hsize_t count[HDF5_RANK_MAX], steps;
    uint32_t i, axis = cursor->axis;
    int status;

    if (cursor->start[0] >= cursor->shape[0])
        return CKPT_END;
    steps = smaller(cursor->steps, cursor->shape[axis] - cursor->start[axis]);
    for (i = 0; i < cursor->rank; i++)
        count[i] = i < axis ? 1 : i == axis ? steps : cursor->shape[i];
    status = slab_read(cursor, count);
    if (status != CKPT_OK)
        return status;
    cursor->filled_bytes = (size_t)(steps * cursor->step_bytes);
    cursor->given_bytes = 0;
    slab_advance(cursor, steps);
    return CKPT_OK;
}

int
hdf5_lib_cursor_next(const struct ckpt_host *host, void *self,
                     struct ckpt_span *span)
{
    struct cursor *cursor = self;
    struct hdf5_quiet quiet;
    int status = CKPT_OK;

    (void)host;
    if (cursor->given_bytes == cursor->filled_bytes) {
        hdf5_quiet_begin(&quiet);
        status = cursor_fill(cursor);
        hdf5_quiet_end(&quiet);
    }
    if (status != CKPT_OK)
        return status;
    span->data = cursor->window + cursor->given_bytes;
    span->size_bytes =
        smaller(cursor->filled_bytes - cursor->given_bytes, SPAN_MAX);
    cursor->given_bytes += span->size_bytes;
    return CKPT_OK;
}

void
hdf5_lib_cursor_close(const struct ckpt_host *host, void *self)
{
    struct cursor *cursor = self;
    struct hdf5_quiet quiet;

    if (cursor == NULL)
        return;
    hdf5_quiet_begin(&quiet);
    if (cursor->type >= 0)
        H5Tclose(cursor->type);
    if (cursor->space >= 0)
        H5Sclose(cursor->space);
    if (cursor->place.id >= 0)
        H5Oclose(cursor->place.id);
    hdf5_quiet_end(&quiet);
    host->release(host, cursor->chunk);
    host->release(host, cursor->window);
    host->release(host, cursor);
}
