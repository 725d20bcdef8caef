/* SPDX-License-Identifier: MIT
 *
 * Items, scopes and their names, as the walk finds them.
 */
#include "onnx_found.h"

#include <string.h>

#include "utf8.h"

#define NAME_BYTES_MAX 65536

int
onnx_found_text(struct onnx_found *found, const struct onnx_wire *wire,
                const struct onnx_field *field)
{
    struct sdk_buffer *text = &found->text;
    unsigned char *to;
    int status;

    if (field->size_bytes > NAME_BYTES_MAX)
        return onnx_wire_fail(wire, CKPT_LIMIT, field->tag_offset,
                              "a name of %llu bytes; at most %d are read",
                              (unsigned long long)field->size_bytes,
                              NAME_BYTES_MAX);
    status = sdk_buffer_reserve(wire->host, text, (size_t)field->size_bytes);
    if (status != CKPT_OK || field->size_bytes == 0)
        return status;
    to = text->data + text->size_bytes;
    status = onnx_wire_copy(wire, field->offset, to, (size_t)field->size_bytes);
    if (status != CKPT_OK)
        return status;
    if (memchr(to, '\0', (size_t)field->size_bytes) != NULL ||
        !sdk_utf8_valid(to, (size_t)field->size_bytes))
        return onnx_wire_fail(wire, CKPT_FORMAT, field->tag_offset,
                              "a name that is not UTF-8, or with a NUL in it");
    text->size_bytes += (size_t)field->size_bytes;
    return CKPT_OK;
}

/* Room for one more in a list of `*capacity`. */
static int
grow(const struct ckpt_host *host, void **list, size_t count, size_t *capacity,
     size_t size)
{
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *more;

    if (count < *capacity)
        return CKPT_OK;
    more = host->reallocate(host, *list, wanted * size);
    if (more == NULL)
        return CKPT_MEMORY;
    *list = more;
    *capacity = wanted;
    return CKPT_OK;
}

/* The scope stands before the name, so that both together are a key. */
int
onnx_found_begin(const struct ckpt_host *host, struct onnx_found *found,
                 uint32_t scope, size_t *text_at)
{
    int status =
        sdk_buffer_append(host, &found->text, &scope, ONNX_SCOPE_BYTES);

    *text_at = found->text.size_bytes;
    return status;
}

int
onnx_found_item(const struct ckpt_host *host, struct onnx_found *found,
                const struct onnx_item *like, size_t text_at)
{
    size_t text_bytes = found->text.size_bytes - text_at;
    void *items = found->items;
    int status = grow(host, &items, found->item_count, &found->item_capacity,
                      sizeof *found->items);

    found->items = items;
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &found->text, "", 1);
    if (status != CKPT_OK)
        return status;
    found->items[found->item_count] = *like;
    found->items[found->item_count].text_at = text_at;
    found->items[found->item_count++].text_bytes = text_bytes;
    return CKPT_OK;
}

int
onnx_found_scope(const struct ckpt_host *host, struct onnx_found *found,
                 uint32_t outer, size_t text_at, uint32_t *scope)
{
    void *scopes = found->scopes;
    int status = grow(host, &scopes, found->scope_count, &found->scope_capacity,
                      sizeof *found->scopes);

    found->scopes = scopes;
    if (status != CKPT_OK)
        return status;
    found->scopes[found->scope_count] = (struct onnx_scope){
        .outer = outer,
        .text_at = text_at,
        .text_bytes = found->text.size_bytes - text_at,
    };
    *scope = (uint32_t)found->scope_count++;
    return CKPT_OK;
}

int
onnx_found_note(const struct ckpt_host *host, struct onnx_found *found,
                const struct onnx_note *note)
{
    void *notes = found->notes;
    int status = grow(host, &notes, found->note_count, &found->note_capacity,
                      sizeof *found->notes);

    found->notes = notes;
    if (status == CKPT_OK)
        found->notes[found->note_count++] = *note;
    return status;
}

static size_t
place_bytes(const struct onnx_found *found, uint32_t scope)
{
    size_t bytes = 0;

    for (; scope != 0; scope = found->scopes[scope].outer)
        bytes += found->scopes[scope].text_bytes + 1;
    return bytes;
}

int
onnx_found_qualify(const struct ckpt_host *host, const struct onnx_found *found,
                   uint32_t scope, const char *name, size_t name_bytes,
                   size_t room, char **made, size_t *made_bytes)
{
    size_t at = place_bytes(found, scope), bytes;
    char *text = host->allocate(host, at + name_bytes + room);

    if (text == NULL)
        return CKPT_MEMORY;
    *made = text;
    *made_bytes = at + name_bytes;
    if (name_bytes > 0)
        memcpy(text + at, name, name_bytes);
    for (; scope != 0; scope = found->scopes[scope].outer) {
        bytes = found->scopes[scope].text_bytes;
        text[--at] = '/';
        at -= bytes;
        if (bytes > 0)
            memcpy(text + at, found->text.data + found->scopes[scope].text_at,
                   bytes);
    }
    return CKPT_OK;
}

void
onnx_found_fini(const struct ckpt_host *host, struct onnx_found *found)
{
    size_t i;

    for (i = 0; i < found->item_count; i++)
        host->release(host, found->items[i].own);
    host->release(host, found->items);
    host->release(host, found->scopes);
    host->release(host, found->notes);
    sdk_buffer_fini(host, &found->text);
}
