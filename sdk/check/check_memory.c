/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out at the nth asking. The linker sends every calloc and
 * realloc of the library here, and with them all that it lends to the plugin.
 */
#include <stdlib.h>
#include <string.h>

#include "check_plugin.h"

/* After so many the steps grow: a fault is as likely found in the first. */
#define EACH_COUNT 150

void *__real_calloc(size_t count, size_t size_bytes);
void *__real_realloc(void *memory, size_t size_bytes);
void *__wrap_calloc(size_t count, size_t size_bytes);
void *__wrap_realloc(void *memory, size_t size_bytes);

static uint64_t asked;   /* so often since the run began */
static uint64_t fail_at; /* from 1; 0: never */

void *
__wrap_calloc(size_t count, size_t size_bytes)
{
    if (++asked == fail_at)
        return NULL;
    return __real_calloc(count, size_bytes);
}

void *
__wrap_realloc(void *memory, size_t size_bytes)
{
    if (++asked == fail_at)
        return NULL;
    return __real_realloc(memory, size_bytes);
}

static int
memory_run(struct check *check, const char *sample, bool write,
           unsigned char digest[32])
{
    struct ckpt *user = check_user(check);
    int status = CKPT_MEMORY;

    if (user != NULL)
        status = write ? check_write(check, user, sample)
                       : check_read(check, user, sample, digest);
    ckpt_free(user);
    return status;
}

/* The status is that of memory, unless what there was no memory for could be
 * done without; then what is read is what was read with it. */
static void
memory_sample(struct check *check, const char *sample, bool write)
{
    unsigned char whole[32] = {0}, digest[32] = {0};
    int wanted, status;
    uint64_t n;

    fail_at = 0;
    wanted = memory_run(check, sample, write, whole);
    for (n = 1;; n += n < EACH_COUNT ? 1 : n / 16) {
        asked = 0;
        fail_at = n;
        status = memory_run(check, sample, write, digest);
        fail_at = 0;
        if (asked < n)
            return;
        if (status != wanted && status != CKPT_MEMORY &&
            status != CKPT_UNSUPPORTED)
            check_broken(check, sample,
                         "allocation %llu failed and the status was %d",
                         (unsigned long long)n, status);
        if (status == CKPT_OK && !write && memcmp(whole, digest, 32) != 0)
            check_broken(check, sample,
                         "allocation %llu failed and other bytes were read",
                         (unsigned long long)n);
    }
}

void
check_memory(struct check *check)
{
    size_t i;

    for (i = 0; i < check->sample_count; i++) {
        memory_sample(check, check->samples[i], false);
        memory_sample(check, check->samples[i], true);
    }
}
