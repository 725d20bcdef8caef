/* SPDX-License-Identifier: MIT
 *
 * The names of an adapter, as PEFT saves them:
 *
 *   base_model.model.MODULE.lora_A.weight    [rank, in, ...]
 *   base_model.model.MODULE.lora_B.weight    [out, rank, 1 ...]
 *   base_model.model.MODULE.lora_B.bias      [out]
 *   base_model.model.MODULE.lora_embedding_A [rank, count]
 *   base_model.model.MODULE.lora_embedding_B [width, rank]
 *   base_model.model.NAME                    a whole tensor instead
 *
 * One that was saved by hand has the adapter's own name within, as in
 * lora_A.default, and marks what it wraps: base_layer, modules_to_save.
 */
#include "arithmetic.h"

#include <string.h>

static bool
ends_with(const struct ckpt_text *text, const char *end)
{
    size_t length = strlen(end);

    return text->size_bytes >= length &&
           memcmp(text->data + text->size_bytes - length, end, length) == 0;
}

static bool
begins_with(const char *text, size_t length, const char *begin)
{
    return length >= strlen(begin) && memcmp(text, begin, strlen(begin)) == 0;
}

/* What the letters behind ".lora_" say; false: nothing that can be merged. */
static bool
part_tell(const struct ckpt_text *name, const char *word,
          enum arithmetic_part *part, bool *embedding)
{
    size_t left = (size_t)(name->data + name->size_bytes - word);
    size_t length;

    *embedding = begins_with(word, left, "embedding_");
    word += *embedding ? 10 : 0;
    left -= *embedding ? 10 : 0;
    if (left == 0 || (word[0] != 'A' && word[0] != 'B') ||
        (left > 1 && word[1] != '.'))
        return false;
    *part = word[0] == 'A' ? ARITHMETIC_PART_A : ARITHMETIC_PART_B;
    length = *embedding ? left : 0;
    if (ends_with(name, ".weight")) {
        length = left - 7;
    } else if (*part == ARITHMETIC_PART_B && !*embedding &&
               ends_with(name, ".bias")) {
        *part = ARITHMETIC_PART_BIAS;
        length = left - 5;
    }
    /* The letter alone, or the letter and the adapter's own name. */
    return length == 1 ||
           (length > 2 && memchr(word + 2, '.', length - 2) == NULL);
}

static const char *
last_of(const struct ckpt_text *name, const char *what)
{
    const char *at = name->data, *found = NULL;
    size_t left = name->size_bytes;

    while ((at = memmem(at, left, what, strlen(what))) != NULL) {
        found = at++;
        left = (size_t)(name->data + name->size_bytes - at);
    }
    return found;
}

static struct ckpt_text
name_plain(const struct ckpt_entry *entry)
{
    static const char prefix[] = "base_model.model.";
    struct ckpt_text name = entry->name;

    if (begins_with(name.data, name.size_bytes, prefix)) {
        name.data += sizeof prefix - 1;
        name.size_bytes -= sizeof prefix - 1;
    }
    return name;
}

static int
site_add(struct arithmetic_adapter *adapter, const struct ckpt_entry *entry,
         const struct ckpt_text *module, enum arithmetic_part part,
         bool embedding)
{
    const struct ckpt_host *host = adapter->run->host;
    struct arithmetic_site *site;
    bool added;
    uint64_t *number = sdk_table_add(host, &adapter->modules, module->data,
                                     module->size_bytes, &added);

    if (number == NULL)
        return CKPT_MEMORY;
    if (added)
        *number = adapter->site_count++;
    site = &adapter->sites[*number];
    if (!added && (site->parts[part] != NULL || site->embedding != embedding))
        return host->fail(host, CKPT_CONFLICT, entry->name.data, CKPT_NOWHERE,
                          "there are two adapters for one module");
    site->module = *module;
    site->embedding = embedding;
    site->parts[part] = entry;
    return CKPT_OK;
}

bool
arithmetic_adapter_is_part(const struct ckpt_entry *entry)
{
    struct ckpt_text name = name_plain(entry);

    return last_of(&name, ".lora_") != NULL;
}

static int
entry_sort(struct arithmetic_adapter *adapter, const struct ckpt_entry *entry)
{
    const struct ckpt_host *host = adapter->run->host;
    struct ckpt_text name = name_plain(entry), module = name;
    const char *at = last_of(&name, ".lora_");
    enum arithmetic_part part;
    bool embedding;

    if (at == NULL)
        return CKPT_OK;
    module.size_bytes = (size_t)(at - name.data);
    if (part_tell(&name, at + 6, &part, &embedding))
        return site_add(adapter, entry, &module, part, embedding);
    if (begins_with(at + 6, (size_t)(name.data + name.size_bytes - at) - 6,
                    "magnitude_vector"))
        return host->fail(host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE, "a DoRA adapter is not merged");
    return host->fail(host, CKPT_UNSUPPORTED, entry->name.data, CKPT_NOWHERE,
                      "it is no part of a LoRA that is known");
}

int
arithmetic_adapter_whole(struct arithmetic_adapter *adapter,
                         const struct ckpt_entry *entry, struct ckpt_text *name)
{
    static const char *const within[] = {".base_layer.", ".modules_to_save."};
    const struct ckpt_host *host = adapter->run->host;
    const char *at = NULL, *rest;
    size_t i;
    int status;

    *name = name_plain(entry);
    for (i = 0; i < 2 && at == NULL; i++)
        at = last_of(name, within[i]);
    if (at == NULL)
        return CKPT_OK;
    rest = at + strlen(within[i - 1]);
    if (i == 2) {
        rest =
            memchr(rest, '.', (size_t)(name->data + name->size_bytes - rest));
        if (rest++ == NULL)
            return CKPT_OK;
    }
    adapter->plain.size_bytes = 0;
    status = sdk_buffer_append(host, &adapter->plain, name->data,
                               (size_t)(at - name->data) + 1);
    if (status == CKPT_OK)
        status =
            sdk_buffer_append(host, &adapter->plain, rest,
                              (size_t)(name->data + name->size_bytes - rest));
    name->data = (const char *)adapter->plain.data;
    name->size_bytes = adapter->plain.size_bytes;
    return status;
}

int
arithmetic_adapter_init(struct arithmetic_run *run,
                        struct arithmetic_adapter *adapter)
{
    const struct ckpt_graph *graph = run->graphs[1];
    size_t i;
    int status = CKPT_OK;

    adapter->run = run;
    adapter->sites = run->host->allocate(run->host, (graph->entry_count + 1) *
                                                        sizeof *adapter->sites);
    if (adapter->sites == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = entry_sort(adapter, &graph->entries[i]);
    return status;
}

void
arithmetic_adapter_fini(struct arithmetic_adapter *adapter)
{
    const struct ckpt_host *host = adapter->run->host;

    sdk_table_fini(host, &adapter->modules);
    sdk_buffer_fini(host, &adapter->plain);
    host->release(host, adapter->sites);
}
