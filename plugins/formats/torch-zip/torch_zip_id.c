/* SPDX-License-Identifier: MIT
 *
 * The order of libstdc++'s unordered_set, played through: one list of all
 * nodes, in which the nodes of a bucket are neighbours. A new node goes to
 * the front of its bucket, or to the front of the list if the bucket is
 * empty; a full table is rebuilt in list order by the same rule.
 */
#include "torch_zip_id.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "endian.h"

/* The bucket counts, in growing; a table is full at one node a bucket. */
static const uint32_t id_bucket_counts[] = {
    13,      29,      59,      127,      257,      541,     1109,   2357,
    5087,    10273,   20753,   42043,    85229,    172933,  351061, 712697,
    1447153, 2938679, 5967347, 12117689, 24607243, 49969847};

#define ID_BUCKET_COUNTS (sizeof id_bucket_counts / sizeof *id_bucket_counts)

/* Nodes count from 1; 0 is the place before the list. */
struct id_set {
    const uint64_t *hashes;
    uint32_t *next;    /* by node */
    uint32_t *buckets; /* the node before the first, and one; 0: empty */
    uint32_t bucket_count;
};

static uint64_t
id_mix(uint64_t value)
{
    return value ^ value >> 47;
}

uint64_t
torch_zip_id_name(const char *name, size_t size_bytes)
{
    const uint64_t factor = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t hash = UINT64_C(0xc70f6907) ^ size_bytes * factor;
    unsigned char tail[8] = {0};
    size_t i;

    for (i = 0; i + 8 <= size_bytes; i += 8) {
        hash ^= id_mix(sdk_load_le64(name + i) * factor) * factor;
        hash *= factor;
    }
    if (i < size_bytes) {
        memcpy(tail, name + i, size_bytes - i);
        hash ^= sdk_load_le64(tail);
        hash *= factor;
    }
    return id_mix(id_mix(hash) * factor);
}

uint64_t
torch_zip_id_combine(uint64_t combined, uint64_t value)
{
    return combined ^
           (value + UINT64_C(0x9e3779b9) + (combined << 6) + (combined >> 2));
}

static uint32_t
id_bucket(const struct id_set *set, uint32_t node)
{
    return (uint32_t)(set->hashes[node - 1] % set->bucket_count);
}

static void
id_insert(struct id_set *set, uint32_t node)
{
    uint32_t *bucket = &set->buckets[id_bucket(set, node)];
    uint32_t before = *bucket != 0 ? *bucket - 1 : 0;

    set->next[node] = set->next[before];
    set->next[before] = node;
    if (*bucket != 0)
        return;
    *bucket = 1;
    if (set->next[node] != 0)
        set->buckets[id_bucket(set, set->next[node])] = node + 1;
}

static void
id_rebuild(struct id_set *set, uint32_t bucket_count)
{
    uint32_t node = set->next[0], next;

    memset(set->buckets, 0, sizeof *set->buckets * bucket_count);
    set->bucket_count = bucket_count;
    set->next[0] = 0;
    for (; node != 0; node = next) {
        next = set->next[node];
        id_insert(set, node);
    }
}

static uint64_t
id_fill(struct id_set *set, uint32_t count)
{
    uint32_t node, level = 0;
    uint64_t combined = 0;

    id_rebuild(set, id_bucket_counts[0]);
    for (node = 1; node <= count; node++) {
        if (node > set->bucket_count)
            id_rebuild(set, id_bucket_counts[++level]);
        id_insert(set, node);
    }
    for (node = set->next[0]; node != 0; node = set->next[node])
        combined = torch_zip_id_combine(combined, set->hashes[node - 1]);
    return combined;
}

int
torch_zip_id_names(const struct ckpt_host *host, const uint64_t *hashes,
                   size_t count, uint64_t *combined)
{
    struct id_set set = {.hashes = hashes};
    int status = CKPT_MEMORY;
    size_t level = 0;

    while (level < ID_BUCKET_COUNTS && id_bucket_counts[level] < count)
        level++;
    if (level == ID_BUCKET_COUNTS)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "a zip of %zu records", count);
    set.next = host->allocate(host, (count + 1) * sizeof *set.next);
    if (set.next == NULL)
        goto out;
    set.buckets =
        host->allocate(host, id_bucket_counts[level] * sizeof *set.buckets);
    if (set.buckets == NULL)
        goto out;
    *combined = id_fill(&set, (uint32_t)count);
    status = CKPT_OK;
out:
    host->release(host, set.buckets);
    host->release(host, set.next);
    return status;
}

void
torch_zip_id_text(uint64_t names, uint64_t checks,
                  char text[TORCH_ZIP_ID_BYTES])
{
    char digits[TORCH_ZIP_ID_BYTES + 1];

    snprintf(digits, sizeof digits, "%020" PRIu64 "%020" PRIu64, names, checks);
    memcpy(text, digits, TORCH_ZIP_ID_BYTES);
}
