/* SPDX-License-Identifier: MIT
 *
 * The layout of a file, all integers low byte first:
 *
 *  1. "TEMPLATE"
 *  2. number of tensors, 8 bytes
 *  3. for each tensor: its number of elements, 8 bytes, and its name, 24
 *     bytes, filled up with zeros
 *  4. the elements of each tensor, float32, in the same order, without gaps
 */
#include "template_parse.h"

#include <string.h>

#include "checked.h"
#include "endian.h"

/* Step 6: every number of the file is checked before it is used, and every
 * failure says what is wrong and at which byte. */
int
template_head_read(const struct ckpt_host *host,
                   const struct ckpt_source *source, uint64_t *count)
{
    unsigned char bytes[TEMPLATE_HEAD_BYTES];
    uint64_t size = host->source_size(host, source), found;
    int status = host->source_read(host, source, 0, bytes, sizeof bytes);

    if (status != CKPT_OK)
        return status;
    if (memcmp(bytes, TEMPLATE_MAGIC, 8) != 0)
        return host->fail(host, CKPT_FORMAT, NULL, 0, "no template file");
    found = sdk_load_le64(bytes + 8);
    if (found > (size - TEMPLATE_HEAD_BYTES) / TEMPLATE_ENTRY_BYTES)
        return host->fail(host, CKPT_FORMAT, NULL, 8,
                          "%llu tensors do not fit into the file",
                          (unsigned long long)found);
    *count = found;
    return CKPT_OK;
}

int
template_entry_read(const struct ckpt_host *host,
                    const struct ckpt_source *source, uint64_t index,
                    uint64_t data_offset, struct template_entry *entry)
{
    unsigned char bytes[TEMPLATE_ENTRY_BYTES];
    uint64_t at = TEMPLATE_HEAD_BYTES + index * TEMPLATE_ENTRY_BYTES, size;
    int status = host->source_read(host, source, at, bytes, sizeof bytes);

    if (status != CKPT_OK)
        return status;
    memset(entry, 0, sizeof *entry);
    memcpy(entry->name, bytes + 8, TEMPLATE_NAME_BYTES);
    entry->element_count = sdk_load_le64(bytes);
    entry->data_offset = data_offset;
    if (!sdk_mul_u64(entry->element_count, 4, &size) ||
        !sdk_within(data_offset, size, host->source_size(host, source)))
        return host->fail(host, CKPT_FORMAT, entry->name, at,
                          "%llu elements reach beyond the end of the file",
                          (unsigned long long)entry->element_count);
    return CKPT_OK;
}

void
template_head_write(uint64_t count, unsigned char bytes[TEMPLATE_HEAD_BYTES])
{
    memcpy(bytes, TEMPLATE_MAGIC, 8);
    sdk_store_le64(bytes + 8, count);
}

void
template_entry_write(const struct ckpt_text *name, uint64_t element_count,
                     unsigned char bytes[TEMPLATE_ENTRY_BYTES])
{
    memset(bytes, 0, TEMPLATE_ENTRY_BYTES);
    sdk_store_le64(bytes, element_count);
    memcpy(bytes + 8, name->data, name->size_bytes);
}
