/* SPDX-License-Identifier: MIT
 *
 * Counted memory. Each block is preceded by its size. Large blocks are mapped
 * one by one: they start as zeros, grow without being copied, and may take
 * large pages, which is most of the time that a long list of tensors costs.
 */
#include "hub/core/budget.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAPPED_FROM ((size_t)1 << 20)
#define LARGE_PAGE ((size_t)2 << 20)

struct budget_head {
    alignas(16) size_t size_bytes;
};

static bool
budget_admits(struct hub_budget *budget, size_t more)
{
    if (more <= budget->limit_bytes &&
        budget->used_bytes <= budget->limit_bytes - more)
        return true;
    hub_fail(budget->report, CKPT_LIMIT, NULL, CKPT_NOWHERE,
             "%llu bytes of metadata are needed, the budget is %llu",
             (unsigned long long)budget->used_bytes + more,
             (unsigned long long)budget->limit_bytes);
    hub_remedy(budget->report,
               "if the file is trusted, allow more with --max-memory");
    return false;
}

static bool
block_is_mapped(size_t size_bytes)
{
    return size_bytes >= MAPPED_FROM;
}

/* What is mapped for a block: whole large pages, so that the kernel places
 * it at one. Address space costs nothing until it is touched. */
static size_t
block_length(size_t size_bytes)
{
    size_t total = sizeof(struct budget_head) + size_bytes;

    if (size_bytes > SIZE_MAX / 2)
        return SIZE_MAX / 2 + 1; /* more than any address space has */
    return (total + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
}

/* Where the kernel has no large pages, nothing is lost. */
static struct budget_head *
block_advise(void *memory, size_t length)
{
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, length, MADV_HUGEPAGE);
    return memory;
}

static struct budget_head *
block_new(size_t size_bytes)
{
    size_t length = block_length(size_bytes);

    if (!block_is_mapped(size_bytes))
        return calloc(1, sizeof(struct budget_head) + size_bytes);
    return block_advise(mmap(NULL, length, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                        length);
}

static void
block_free(struct budget_head *head)
{
    if (block_is_mapped(head->size_bytes))
        munmap(head, block_length(head->size_bytes));
    else
        free(head);
}

/* A small block grows or shrinks within its kind. */
static struct budget_head *
block_resize_small(struct budget_head *head, size_t size_bytes)
{
    size_t old = head->size_bytes;

    head = realloc(head, sizeof *head + size_bytes);
    if (head != NULL && size_bytes > old)
        memset((char *)(head + 1) + old, 0, size_bytes - old);
    return head;
}

static struct budget_head *
block_resize(struct budget_head *head, size_t size_bytes)
{
    size_t old = head->size_bytes, length = block_length(size_bytes);
    struct budget_head *moved;

    if (!block_is_mapped(old) && !block_is_mapped(size_bytes))
        return block_resize_small(head, size_bytes);
    if (block_is_mapped(old) && block_is_mapped(size_bytes))
        return block_advise(
            mremap(head, block_length(old), length, MREMAP_MAYMOVE), length);
    moved = block_new(size_bytes);
    if (moved == NULL)
        return NULL;
    memcpy(moved + 1, head + 1, old < size_bytes ? old : size_bytes);
    block_free(head);
    return moved;
}

/* Enters a block that was had, or says that there is no memory. */
static void *
budget_take(struct hub_budget *budget, struct budget_head *head,
            size_t size_bytes, size_t old)
{
    if (head == NULL) {
        hub_fail(budget->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                 "out of memory for %zu bytes", size_bytes);
        return NULL;
    }
    head->size_bytes = size_bytes;
    budget->used_bytes += size_bytes;
    budget->used_bytes -= old;
    return head + 1;
}

void *
hub_reallocate(struct hub_budget *budget, void *memory, size_t size_bytes)
{
    struct budget_head *head = memory;
    size_t old;

    if (head == NULL)
        return hub_allocate(budget, size_bytes);
    old = (--head)->size_bytes;
    if (size_bytes > old && !budget_admits(budget, size_bytes - old))
        return NULL;
    return budget_take(budget, block_resize(head, size_bytes), size_bytes, old);
}

void *
hub_allocate(struct hub_budget *budget, size_t size_bytes)
{
    if (!budget_admits(budget, size_bytes))
        return NULL;
    return budget_take(budget, block_new(size_bytes), size_bytes, 0);
}

void
hub_release(struct hub_budget *budget, void *memory)
{
    struct budget_head *head = memory;

    if (head == NULL)
        return;
    head--;
    budget->used_bytes -= head->size_bytes;
    block_free(head);
}
