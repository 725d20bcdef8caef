/* SPDX-License-Identifier: MIT
 *
 * The false host table. Every allocation carries its size in front, so that
 * what is live can be counted.
 */
#include "false_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 16

static struct false_host *
of(const struct ckpt_host *host)
{
    return host->hub;
}

static int CKPT_PRINTF(5, 6)
    false_fail(const struct ckpt_host *host, int status, const char *tensor,
               uint64_t byte, const char *format, ...)
{
    struct false_host *self = of(host);
    va_list arguments;

    (void)tensor;
    if (self->failure_count++ > 0)
        return status;
    self->status = status;
    self->byte = byte;
    va_start(arguments, format);
    vsnprintf(self->text, sizeof self->text, format, arguments);
    va_end(arguments);
    return status;
}

static void CKPT_PRINTF(4, 5)
    false_warn(const struct ckpt_host *host, const char *tensor, uint64_t byte,
               const char *format, ...)
{
    struct false_host *self = of(host);
    va_list arguments;

    (void)tensor;
    (void)byte;
    self->warning_count++;
    va_start(arguments, format);
    vsnprintf(self->warning, sizeof self->warning, format, arguments);
    va_end(arguments);
}

static void CKPT_PRINTF(2, 3)
    false_debug(const struct ckpt_host *host, const char *format, ...)
{
    (void)host;
    (void)format;
}

static bool
false_cancelled(const struct ckpt_host *host)
{
    (void)host;
    return false;
}

static void
false_release(const struct ckpt_host *host, void *memory)
{
    unsigned char *head = memory;
    size_t size_bytes;

    if (memory == NULL)
        return;
    head -= HEAD_BYTES;
    memcpy(&size_bytes, head, sizeof size_bytes);
    of(host)->live_bytes -= size_bytes;
    of(host)->live_count--;
    free(head);
}

/* Counts an allocation that takes the place of one of `old_bytes`. */
static bool
admit(struct false_host *self, size_t size_bytes, size_t old_bytes)
{
    size_t others = self->live_bytes - old_bytes;

    self->allocations++;
    if (self->budget_bytes > 0 && (size_bytes > self->budget_bytes ||
                                   others > self->budget_bytes - size_bytes)) {
        false_fail(&self->table, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                   "over the budget");
        return false;
    }
    if (self->allocations == self->fail_at) {
        false_fail(&self->table, CKPT_MEMORY, NULL, CKPT_NOWHERE, "no memory");
        return false;
    }
    self->live_bytes = others + size_bytes;
    if (self->live_bytes > self->peak_bytes)
        self->peak_bytes = self->live_bytes;
    return true;
}

static void *
false_allocate(const struct ckpt_host *host, size_t size_bytes)
{
    struct false_host *self = of(host);
    unsigned char *head;

    if (!admit(self, size_bytes, 0))
        return NULL;
    head = calloc(1, size_bytes + HEAD_BYTES);
    if (head == NULL)
        return NULL;
    memcpy(head, &size_bytes, sizeof size_bytes);
    self->live_count++;
    return head + HEAD_BYTES;
}

static void *
false_reallocate(const struct ckpt_host *host, void *memory, size_t size_bytes)
{
    struct false_host *self = of(host);
    unsigned char *head = memory;
    size_t old_bytes = 0;

    if (memory == NULL)
        return false_allocate(host, size_bytes);
    head -= HEAD_BYTES;
    memcpy(&old_bytes, head, sizeof old_bytes);
    if (!admit(self, size_bytes, old_bytes))
        return NULL;
    head = realloc(head, size_bytes + HEAD_BYTES);
    if (head == NULL)
        return NULL;
    memcpy(head, &size_bytes, sizeof size_bytes);
    if (size_bytes > old_bytes)
        memset(head + HEAD_BYTES + old_bytes, 0, size_bytes - old_bytes);
    return head + HEAD_BYTES;
}

static const char *
false_source_name(const struct ckpt_host *host,
                  const struct ckpt_source *source)
{
    (void)host;
    (void)source;
    return "memory";
}

static uint64_t
false_source_size(const struct ckpt_host *host,
                  const struct ckpt_source *source)
{
    (void)host;
    return source->size_bytes;
}

static bool
false_source_is_folder(const struct ckpt_host *host,
                       const struct ckpt_source *source)
{
    (void)host;
    (void)source;
    return false;
}

static int
false_source_peek(const struct ckpt_host *host,
                  const struct ckpt_source *source, uint64_t offset,
                  size_t size_bytes, struct ckpt_span *span)
{
    if (size_bytes > (size_t)1 << 20)
        return false_fail(host, CKPT_CONTRACT, NULL, offset, "a wide peek");
    if (offset > source->size_bytes || size_bytes > source->size_bytes - offset)
        return false_fail(host, CKPT_FORMAT, NULL, offset, "past the end");
    ((struct ckpt_source *)source)->peek_count++;
    span->data = source->data + offset;
    span->size_bytes = size_bytes;
    return CKPT_OK;
}

static int
false_source_read(const struct ckpt_host *host,
                  const struct ckpt_source *source, uint64_t offset,
                  void *buffer, size_t size_bytes)
{
    if (offset > source->size_bytes || size_bytes > source->size_bytes - offset)
        return false_fail(host, CKPT_FORMAT, NULL, offset, "past the end");
    ((struct ckpt_source *)source)->read_count++;
    if (size_bytes > 0)
        memcpy(buffer, source->data + offset, size_bytes);
    return CKPT_OK;
}

void
false_host_init(struct false_host *host)
{
    memset(host, 0, sizeof *host);
    host->table.size = sizeof host->table;
    host->table.hub = host;
    host->table.fail = false_fail;
    host->table.warn = false_warn;
    host->table.debug = false_debug;
    host->table.cancelled = false_cancelled;
    host->table.allocate = false_allocate;
    host->table.reallocate = false_reallocate;
    host->table.release = false_release;
    host->table.source_name = false_source_name;
    host->table.source_size = false_source_size;
    host->table.source_is_folder = false_source_is_folder;
    host->table.source_peek = false_source_peek;
    host->table.source_read = false_source_read;
}

void
false_host_clear(struct false_host *host)
{
    host->status = 0;
    host->failure_count = 0;
    host->warning_count = 0;
    host->text[0] = '\0';
    host->warning[0] = '\0';
}
