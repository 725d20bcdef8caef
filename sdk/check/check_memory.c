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
#define TRANSFORMED_COUNT 8 /* samples that each transform is tried on */

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

/* What is tried: to read, to write, or to read through a transform. */
struct memory_try {
    const char *sample;
    bool write;
    const char *text; /* of the transform, or NULL */
};

static int
memory_run(struct check *check, const struct memory_try *what,
           unsigned char digest[32])
{
    struct ckpt *user = check_user(check);
    int status = CKPT_MEMORY;

    if (user != NULL && what->text != NULL)
        status = check_transform(check, user, what->sample, what->text, digest);
    else if (user != NULL)
        status = what->write ? check_write(check, user, what->sample)
                             : check_read(check, user, what->sample, digest);
    ckpt_free(user);
    return status;
}

/* The status is that of memory, unless what there was no memory for could be
 * done without; then what is read is what was read with it. */
static void
memory_sample(struct check *check, const struct memory_try *what)
{
    unsigned char whole[32] = {0}, digest[32] = {0};
    int wanted, status;
    uint64_t n;

    fail_at = 0;
    wanted = memory_run(check, what, whole);
    for (n = 1;; n += n < EACH_COUNT ? 1 : n / 16) {
        asked = 0;
        fail_at = n;
        status = memory_run(check, what, digest);
        fail_at = 0;
        if (asked < n)
            return;
        if (status != wanted && status != CKPT_MEMORY &&
            status != CKPT_UNSUPPORTED)
            check_broken(check, what->sample,
                         "allocation %llu failed and the status was %d",
                         (unsigned long long)n, status);
        if (status == CKPT_OK && !what->write && memcmp(whole, digest, 32) != 0)
            check_broken(check, what->sample,
                         "allocation %llu failed and other bytes were read",
                         (unsigned long long)n);
    }
}

void
check_memory(struct check *check)
{
    struct memory_try what = {.write = false};
    size_t i, k;

    for (i = 0; i < check->sample_count; i++) {
        what.sample = check->samples[i];
        what.text = NULL;
        what.write = false;
        memory_sample(check, &what);
        what.write = true;
        memory_sample(check, &what);
        what.write = false;
        for (k = 0; k < check->text_count && i < TRANSFORMED_COUNT; k++) {
            what.text = check->texts[k];
            memory_sample(check, &what);
        }
    }
}
