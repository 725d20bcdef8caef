/* SPDX-License-Identifier: MIT
 *
 * Storages and tensors as the tar form has them: a key in the pickle, and the
 * rest in lists beside it.
 */
#include "torch_write_walk.h"

/* A key as a persistent id. */
static void
torch_walk_number(struct torch_walk *walk, uint64_t key)
{
    char digits[SDK_TORCH_KEY_BYTES];
    size_t size_bytes = sdk_torch_key((size_t)key, digits);

    sdk_pickler_text(walk->pickle, digits, size_bytes);
    sdk_pickler_op(walk->pickle, SDK_OP_BINPERSID);
}

/* The use of a storage, by its index; it is numbered when met first. */
static size_t
torch_walk_use_of(struct torch_walk *walk, const struct ckpt_storage *storage,
                  uint32_t dtype)
{
    struct torch_storage *state = &walk->storages[storage->id];
    struct sdk_torch_pickle *result = walk->result;

    if (state->key == 0) {
        sdk_torch_walk_use(walk, storage, dtype);
        if (walk->pickle->status != CKPT_OK)
            return 0;
        state->key = (uint32_t)result->use_count;
        result->uses[result->use_count - 1].key = ++walk->last_key;
    }
    return state->key - 1;
}

static void
torch_walk_list(struct torch_walk *walk, struct sdk_torch_list *list,
                const struct ckpt_tensor *tensor, uint32_t dtype)
{
    size_t use = torch_walk_use_of(walk, tensor->storage, dtype);
    size_t capacity = list->capacity ? list->capacity * 2 : 64;
    struct sdk_torch_listed *items = list->items;

    if (walk->pickle->status != CKPT_OK)
        return;
    if (list->count == list->capacity) {
        items =
            walk->host->reallocate(walk->host, items, capacity * sizeof *items);
        if (items == NULL) {
            walk->pickle->status = CKPT_MEMORY;
            return;
        }
        list->items = items;
        list->capacity = capacity;
    }
    items[list->count].tensor = tensor;
    items[list->count].use = use;
    items[list->count++].key = ++walk->last_key;
    torch_walk_number(walk, walk->last_key);
}

void
sdk_torch_walk_name_storage(struct torch_walk *walk,
                            const struct ckpt_storage *storage, uint32_t dtype)
{
    size_t use = torch_walk_use_of(walk, storage, dtype);

    if (walk->pickle->status == CKPT_OK)
        torch_walk_number(walk, walk->result->uses[use].key);
}

void
sdk_torch_walk_name_tensor(struct torch_walk *walk,
                           const struct ckpt_tensor *tensor, uint32_t dtype)
{
    torch_walk_list(walk, &walk->result->tensors, tensor, dtype);
}

void
sdk_torch_walk_name_view(struct torch_walk *walk,
                         const struct ckpt_tensor *tensor, uint32_t dtype)
{
    torch_walk_list(walk, &walk->result->views, tensor, dtype);
}
