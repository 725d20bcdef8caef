/* SPDX-License-Identifier: MIT
 *
 * The bytes of the template format: structs and back. Reader and writer
 * share this file and do not know each other.
 */
#ifndef TEMPLATE_PARSE_H
#define TEMPLATE_PARSE_H

#include "ckpt/host.h"

#define TEMPLATE_MAGIC "TEMPLATE"
#define TEMPLATE_HEAD_BYTES 16
#define TEMPLATE_ENTRY_BYTES 32
#define TEMPLATE_NAME_BYTES 24

struct template_entry {
    char name[TEMPLATE_NAME_BYTES + 1];
    uint64_t element_count;
    uint64_t data_offset;
};

/* Reads the head: how many entries follow. */
int template_head_read(const struct ckpt_host *host,
                       const struct ckpt_source *source, uint64_t *count);

/* Reads entry `index`, whose data begin at `data_offset`. */
int template_entry_read(const struct ckpt_host *host,
                        const struct ckpt_source *source, uint64_t index,
                        uint64_t data_offset, struct template_entry *entry);

/* The same, to bytes. */
void template_head_write(uint64_t count,
                         unsigned char bytes[TEMPLATE_HEAD_BYTES]);
void template_entry_write(const struct ckpt_text *name, uint64_t element_count,
                          unsigned char bytes[TEMPLATE_ENTRY_BYTES]);

#endif
