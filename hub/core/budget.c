/* SPDX-License-Identifier: MIT
 *
 * Counted memory. Each block is preceded by its size.
 */
#include "hub/core/budget.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE ((uintptr_t)2 << 20)

struct budget_head {
    alignas(16) size_t size_bytes;
};

/* Large blocks are touched from end to end, so large pages save most of the
 * faults; where the kernel has none, nothing is lost. */
static void
budget_advise(void *memory, size_t size_bytes)
{
    uintptr_t begin = ((uintptr_t)memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)memory + size_bytes) & ~(LARGE_PAGE - 1);

    if (size_bytes >= 2 * LARGE_PAGE && begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

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

void *
hub_reallocate(struct hub_budget *budget, void *memory, size_t size_bytes)
{
    struct budget_head *head = memory;
    size_t old = 0;

    if (head != NULL)
        old = (--head)->size_bytes;
    if (size_bytes > old && !budget_admits(budget, size_bytes - old))
        return NULL;
    head = realloc(head, sizeof *head + size_bytes);
    if (head == NULL) {
        hub_fail(budget->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                 "out of memory for %zu bytes", size_bytes);
        return NULL;
    }
    head->size_bytes = size_bytes;
    budget->used_bytes += size_bytes;
    budget->used_bytes -= old;
    if (size_bytes > old)
        memset((char *)(head + 1) + old, 0, size_bytes - old);
    return head + 1;
}

void *
hub_allocate(struct hub_budget *budget, size_t size_bytes)
{
    struct budget_head *head;

    if (!budget_admits(budget, size_bytes))
        return NULL;
    head = calloc(1, sizeof *head + size_bytes);
    if (head == NULL) {
        hub_fail(budget->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                 "out of memory for %zu bytes", size_bytes);
        return NULL;
    }
    budget_advise(head, size_bytes);
    head->size_bytes = size_bytes;
    budget->used_bytes += size_bytes;
    return head + 1;
}

void
hub_release(struct hub_budget *budget, void *memory)
{
    struct budget_head *head = memory;

    if (head == NULL)
        return;
    head--;
    budget->used_bytes -= head->size_bytes;
    free(head);
}
