/* SPDX-License-Identifier: MIT
 *
 * The sparse file in memory.
 */
#include "hdf5_plan_pages.h"

#include <stdlib.h>
#include <string.h>

struct hdf5_page {
    uint64_t number; /* the table's key */
    unsigned char bytes[HDF5_PAGE_BYTES];
};

static struct hdf5_page *
page_find(const struct hdf5_pages *pages, uint64_t number)
{
    uint64_t *at = sdk_table_find(&pages->table, &number, sizeof number);

    return at != NULL ? pages->pages[*at - 1] : NULL;
}

/* NULL: no memory, said. */
static struct hdf5_page *
page_new(struct hdf5_pages *pages, uint64_t number)
{
    const struct ckpt_host *host = pages->host;
    size_t room = pages->room > 0 ? pages->room * 2 : 16;
    struct hdf5_page *page, **grown = pages->pages;
    uint64_t *at;
    bool added;

    if (pages->count == pages->room) {
        grown = host->reallocate(host, grown, room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        pages->pages = grown;
        pages->room = room;
    }
    page = host->allocate(host, sizeof *page);
    if (page == NULL)
        return NULL;
    page->number = number;
    at = sdk_table_add(host, &pages->table, &page->number, sizeof number,
                       &added);
    if (at == NULL) {
        host->release(host, page);
        return NULL;
    }
    pages->pages[pages->count] = page;
    *at = ++pages->count;
    return page;
}

/* The part of a page that a run from `offset` has in it. */
static size_t
page_part(uint64_t offset, size_t size_bytes)
{
    size_t left = HDF5_PAGE_BYTES - (size_t)(offset % HDF5_PAGE_BYTES);

    return size_bytes < left ? size_bytes : left;
}

static int
pages_read(void *context, uint64_t offset, void *buffer, size_t size_bytes)
{
    const struct hdf5_pages *pages = context;
    const struct hdf5_page *page;
    unsigned char *to = buffer;
    size_t part;

    for (; size_bytes > 0; size_bytes -= part, offset += part, to += part) {
        part = page_part(offset, size_bytes);
        page = page_find(pages, offset / HDF5_PAGE_BYTES);
        if (page != NULL)
            memcpy(to, page->bytes + offset % HDF5_PAGE_BYTES, part);
        else
            memset(to, 0, part);
    }
    return 0;
}

static int
pages_write(void *context, uint64_t offset, const void *bytes,
            size_t size_bytes)
{
    struct hdf5_pages *pages = context;
    const unsigned char *from = bytes;
    struct hdf5_page *page;
    size_t part;

    for (; size_bytes > 0 && pages->status == CKPT_OK;
         size_bytes -= part, offset += part, from += part) {
        part = page_part(offset, size_bytes);
        page = page_find(pages, offset / HDF5_PAGE_BYTES);
        if (page == NULL)
            page = page_new(pages, offset / HDF5_PAGE_BYTES);
        if (page == NULL)
            pages->status = CKPT_MEMORY;
        else
            memcpy(page->bytes + offset % HDF5_PAGE_BYTES, from, part);
    }
    return 0;
}

static int
pages_resize(void *context, uint64_t size_bytes)
{
    ((struct hdf5_pages *)context)->size_bytes = size_bytes;
    return 0;
}

struct hdf5_bytes
hdf5_pages_bytes(struct hdf5_pages *pages)
{
    struct hdf5_bytes bytes = {
        .read = pages_read,
        .write = pages_write,
        .resize = pages_resize,
        .context = pages,
    };

    return bytes;
}

static int
pages_add(struct hdf5_pages *pages, struct ckpt_plan *plan,
          const unsigned char *data, uint64_t size_bytes)
{
    struct ckpt_segment segment = {
        .kind = data != NULL ? CKPT_SEGMENT_BYTES : CKPT_SEGMENT_PADDING,
        .size_bytes = size_bytes,
        .data = data,
    };

    return pages->host->plan_add(pages->host, plan, &segment, sizeof segment,
                                 NULL);
}

/* Where the hole that begins at `begin` ends. */
static uint64_t
page_hole(const struct hdf5_pages *pages, uint64_t begin, uint64_t end)
{
    uint64_t number = begin / HDF5_PAGE_BYTES, next;

    do
        next = ++number * HDF5_PAGE_BYTES;
    while (next < end && page_find(pages, number) == NULL);
    return next < end ? next : end;
}

int
hdf5_pages_plan(struct hdf5_pages *pages, struct ckpt_plan *plan,
                uint64_t begin, uint64_t end)
{
    const struct hdf5_page *page;
    uint64_t next;
    int status = CKPT_OK;

    while (begin < end && status == CKPT_OK) {
        page = page_find(pages, begin / HDF5_PAGE_BYTES);
        if (page != NULL) {
            next = begin + page_part(begin, end - begin);
            status =
                pages_add(pages, plan, page->bytes + begin % HDF5_PAGE_BYTES,
                          next - begin);
        } else {
            next = page_hole(pages, begin, end);
            status = pages_add(pages, plan, NULL, next - begin);
        }
        begin = next;
    }
    return status;
}

void
hdf5_pages_fini(struct hdf5_pages *pages)
{
    size_t i;

    for (i = 0; i < pages->count; i++)
        pages->host->release(pages->host, pages->pages[i]);
    pages->host->release(pages->host, pages->pages);
    sdk_table_fini(pages->host, &pages->table);
}
