/* SPDX-License-Identifier: MIT
 *
 * Trying prefixes: see the header.
 */
#include "name_cure.h"

#include <string.h>

#include "hash_table.h"

#define PROBES 8
#define TRIALS_MAX 16

struct cure {
    const struct ckpt_host *host;
    struct sdk_entries longer, shorter; /* by their names */
    struct sdk_table names;             /* of the shorter: indices */
    struct ckpt_text trials[TRIALS_MAX];
    size_t trial_count;
    struct sdk_cure *best; /* until now */
    bool add;
};

/* The prefix before `end`, with its separator; false if there is none. */
static bool
cure_prefix(const struct ckpt_text *name, const struct ckpt_text *end,
            struct ckpt_text *prefix)
{
    size_t bytes;

    if (end->size_bytes == 0 || name->size_bytes <= end->size_bytes)
        return false;
    bytes = name->size_bytes - end->size_bytes;
    prefix->data = name->data;
    prefix->size_bytes = bytes;
    return (name->data[bytes - 1] == '.' || name->data[bytes - 1] == '/') &&
           memcmp(name->data + bytes, end->data, end->size_bytes) == 0;
}

static bool
cure_starts(const struct ckpt_text *name, const struct ckpt_text *prefix)
{
    return name->size_bytes >= prefix->size_bytes &&
           memcmp(name->data, prefix->data, prefix->size_bytes) == 0;
}

static bool
shapes_equal(const struct ckpt_entry *a, const struct ckpt_entry *b)
{
    const struct ckpt_tensor *left = a->value->as.tensor;
    const struct ckpt_tensor *right = b->value->as.tensor;

    return left->rank == right->rank &&
           (left->rank == 0 || memcmp(left->shape, right->shape,
                                      left->rank * sizeof *left->shape) == 0);
}

/* Counts what would meet without the prefix. */
static void
cure_try(struct cure *cure, const struct ckpt_text *prefix)
{
    uint64_t met_count = 0, shaped_count = 0;
    const uint64_t *found;
    size_t i;

    for (i = 0; i < cure->longer.count; i++) {
        const struct ckpt_entry *entry = &cure->longer.first[i];

        if (!cure_starts(&entry->name, prefix))
            continue;
        found =
            sdk_table_find(&cure->names, entry->name.data + prefix->size_bytes,
                           entry->name.size_bytes - prefix->size_bytes);
        if (found == NULL)
            continue;
        met_count++;
        shaped_count += shapes_equal(entry, &cure->shorter.first[*found]);
    }
    if (met_count > cure->best->met_count) {
        cure->best->met_count = met_count;
        cure->best->shaped_count = shaped_count;
        cure->best->prefix = *prefix;
        cure->best->add = cure->add;
    }
}

static void
cure_try_once(struct cure *cure, const struct ckpt_text *prefix)
{
    size_t i;

    for (i = 0; i < cure->trial_count; i++)
        if (cure->trials[i].size_bytes == prefix->size_bytes &&
            cure_starts(&cure->trials[i], prefix))
            return;
    if (cure->trial_count == TRIALS_MAX)
        return;
    cure->trials[cure->trial_count++] = *prefix;
    cure_try(cure, prefix);
}

static int
cure_names(struct cure *cure)
{
    const struct ckpt_text *name;
    uint64_t *slot;
    bool added;
    size_t i;

    for (i = 0; i < cure->shorter.count; i++) {
        name = &cure->shorter.first[i].name;
        slot = sdk_table_add(cure->host, &cure->names, name->data,
                             name->size_bytes, &added);
        if (slot == NULL)
            return CKPT_MEMORY;
        if (added)
            *slot = i;
    }
    return CKPT_OK;
}

static int
cure_side(struct cure *cure)
{
    size_t count = cure->shorter.count, probe, i;
    size_t probes = count < PROBES ? count : PROBES;
    struct ckpt_text prefix;
    int status = cure_names(cure);

    for (probe = 0; probe < probes && status == CKPT_OK; probe++) {
        const struct ckpt_text *end =
            &cure->shorter.first[probe * count / probes].name;

        for (i = 0; i < cure->longer.count; i++)
            if (cure_prefix(&cure->longer.first[i].name, end, &prefix))
                cure_try_once(cure, &prefix);
    }
    sdk_table_fini(cure->host, &cure->names);
    return status;
}

int
sdk_cure_find(const struct ckpt_host *host, struct sdk_entries first,
              struct sdk_entries second, uint64_t met_count,
              struct sdk_cure *cure)
{
    struct sdk_cure best = {.met_count = met_count};
    struct cure strip = {
        .host = host, .longer = first, .shorter = second, .best = &best};
    struct cure add = {.host = host,
                       .longer = second,
                       .shorter = first,
                       .best = &best,
                       .add = true};
    int status = cure_side(&strip);

    if (status == CKPT_OK)
        status = cure_side(&add);
    if (status == CKPT_OK)
        *cure = best;
    return status;
}

size_t
sdk_cure_root(const struct ckpt_value *root, const struct ckpt_text *prefix)
{
    const struct ckpt_value *value = root;
    size_t done = 0, i;

    while (value->kind == CKPT_KIND_MAP) {
        const struct ckpt_value *next = NULL;

        for (i = 0; i < value->as.map.count && next == NULL; i++) {
            const struct ckpt_pair *pair = &value->as.map.pairs[i];
            const struct ckpt_text *key = &pair->key->as.text;

            if (pair->key->kind == CKPT_KIND_STRING && key->size_bytes > 0 &&
                pair->value->kind == CKPT_KIND_MAP &&
                key->size_bytes < prefix->size_bytes - done &&
                prefix->data[done + key->size_bytes] == '.' &&
                memcmp(prefix->data + done, key->data, key->size_bytes) == 0) {
                next = pair->value;
                done += key->size_bytes + 1;
            }
        }
        if (next == NULL)
            break;
        value = next;
    }
    return done;
}
