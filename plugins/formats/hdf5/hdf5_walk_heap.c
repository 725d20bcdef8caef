/* SPDX-License-Identifier: MIT
 *
 * Strings of a variable length, which lie in global heaps.
 *
 *  1. A reference is length u32, address of a collection u64, index u32.
 *  2. A collection is "GCOL", version 1, 3 unused, size u64 of all of it, and
 *     objects: index u16, references u16, 4 unused, size u64, data, padded to
 *     8. Index 0 is what is free.
 */
#include <string.h>

#include "checked.h"
#include "hdf5_walk_file.h"

#define COLLECTION_HEAD_BYTES 16
#define OBJECT_HEAD_BYTES 16

/* An object, under collection and index. That of index 0 tells that the
 * collection was read. */
struct heap_key {
    uint64_t collection, index;
};

struct heap_object {
    struct heap_key key;
    uint64_t address, size_bytes;
};

static const struct heap_object *
heap_find(const struct hdf5_walk *walk, const struct heap_key *key)
{
    uint64_t *found = sdk_table_find(&walk->heaps, key, sizeof *key);

    return found != NULL ? (const struct heap_object *)(uintptr_t)*found : NULL;
}

static int
heap_add(struct hdf5_walk *walk, const struct heap_object *like)
{
    struct heap_object *object = hdf5_tree_hold(walk->tree, sizeof *object);
    uint64_t *slot;
    bool added;

    if (object == NULL)
        return CKPT_MEMORY;
    *object = *like;
    slot = sdk_table_add(walk->host, &walk->heaps, &object->key,
                         sizeof object->key, &added);
    if (slot == NULL)
        return CKPT_MEMORY;
    if (added)
        *slot = (uintptr_t)object;
    return CKPT_OK;
}

static int
heap_wrong(struct hdf5_walk *walk, uint64_t address, const char *what)
{
    return walk->host->fail(walk->host, CKPT_FORMAT, hdf5_walk_name(walk),
                            walk->base + address, "%s", what);
}

/* The objects of a collection of `size` bytes. */
static int
heap_objects(struct hdf5_walk *walk, uint64_t collection, uint64_t size)
{
    uint64_t at = COLLECTION_HEAD_BYTES, padded;
    const unsigned char *bytes;
    struct heap_object object = {.key.collection = collection};
    int status = CKPT_OK;

    while (status == CKPT_OK && size - at >= OBJECT_HEAD_BYTES) {
        status = hdf5_look_again(walk, collection + at, OBJECT_HEAD_BYTES,
                                 "a global heap", &bytes);
        if (status != CKPT_OK)
            return status;
        object.key.index = sdk_load_le16(bytes);
        object.size_bytes = sdk_load_le64(bytes + 8);
        object.address = collection + at + OBJECT_HEAD_BYTES;
        if (object.key.index == 0) /* the rest is free */
            return CKPT_OK;
        at += OBJECT_HEAD_BYTES;
        if (object.size_bytes > size - at)
            return heap_wrong(walk, object.address,
                              "an object of a global heap reaches beyond the "
                              "end of it");
        padded = (object.size_bytes + 7) / 8 * 8;
        at = padded > size - at ? size : at + padded;
        status = heap_add(walk, &object);
    }
    return status;
}

static int
heap_collection(struct hdf5_walk *walk, uint64_t collection)
{
    struct heap_object read = {.key.collection = collection};
    const unsigned char *bytes;
    uint64_t size;
    int status = hdf5_look_again(walk, collection, COLLECTION_HEAD_BYTES,
                                 "a global heap", &bytes);

    if (status != CKPT_OK)
        return status;
    size = sdk_load_le64(bytes + 8);
    if (memcmp(bytes, "GCOL", 4) != 0 || bytes[4] != 1 ||
        size < COLLECTION_HEAD_BYTES)
        return heap_wrong(walk, collection, "there should be a global heap");
    status =
        hdf5_claim(walk, WALK_STRUCTURE, collection, size, "a global heap");
    if (status == CKPT_OK)
        status = heap_add(walk, &read);
    if (status == CKPT_OK)
        status = heap_objects(walk, collection, size);
    return status;
}

static int
heap_copy(struct hdf5_walk *walk, const struct heap_object *object,
          uint64_t length, struct ckpt_text *text)
{
    char *copy = hdf5_tree_hold(walk->tree, (size_t)length + 1);
    const char *nul;
    int status;

    if (copy == NULL)
        return CKPT_MEMORY;
    status = walk->host->source_read(walk->host, walk->tree->part.source,
                                     walk->base + object->address, copy,
                                     (size_t)length);
    if (status != CKPT_OK)
        return status;
    nul = memchr(copy, 0, (size_t)length);
    text->data = copy;
    text->size_bytes = nul != NULL ? (size_t)(nul - copy) : (size_t)length;
    return CKPT_OK;
}

/* The text of the reference at the front of the run. */
static int
heap_text(struct hdf5_walk *walk, struct hdf5_run *run, struct ckpt_text *text)
{
    uint64_t length = hdf5_take_u32(run);
    struct heap_key key = {hdf5_take_u64(run), 0};
    const struct heap_object *object;
    int status = CKPT_OK;

    if (length == 0) {
        hdf5_take(run, 4);
        text->data = "";
        text->size_bytes = 0;
        return CKPT_OK;
    }
    if (heap_find(walk, &key) == NULL)
        status = heap_collection(walk, key.collection);
    if (status != CKPT_OK)
        return status;
    key.index = hdf5_take_u32(run);
    object = heap_find(walk, &key);
    if (object == NULL || key.index == 0 || length > object->size_bytes)
        return heap_wrong(walk, run->address,
                          "a string refers to what its global heap does not "
                          "hold");
    return heap_copy(walk, object, length, text);
}

int
hdf5_walk_texts(struct hdf5_walk *walk, struct hdf5_run *run, uint64_t count,
                const struct ckpt_text **texts)
{
    struct ckpt_text *made;
    uint64_t i;
    int status = CKPT_OK;

    made = hdf5_tree_hold(walk->tree, (size_t)count * sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (i % 4096 == 4095 && walk->host->cancelled(walk->host))
            return CKPT_CANCELLED;
        status = heap_text(walk, run, &made[i]);
    }
    if (status == CKPT_OK)
        *texts = made;
    return status;
}
