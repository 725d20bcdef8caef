/* SPDX-License-Identifier: MIT
 *
 * Transforms on the samples: as the manual's own lines ask for them, and with
 * arguments that make no sense. The samples are read by other plugins, those
 * that CKPT_PLUGIN_PATH has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_plugin.h"

#define TEXTS_MAX 64

/* Whether what follows "-t " asks for the transform. */
static bool
text_asks(const char *text, const char *id)
{
    size_t length = strlen(id);

    return strncmp(text, id, length) == 0 &&
           strchr(":\n ", text[length]) != NULL;
}

static void
texts_add(struct check *check, const char *text, size_t length)
{
    char *copy = check->text_count < TEXTS_MAX ? calloc(1, length + 1) : NULL;
    size_t i;

    if (copy == NULL)
        return;
    memcpy(copy, text, length);
    for (i = 0; i < check->text_count; i++)
        if (strcmp(check->texts[i], copy) == 0)
            break;
    if (i < check->text_count)
        free(copy);
    else
        check->texts[check->text_count++] = copy;
}

/* All that the manual shows behind a "-t ". */
static void
texts_of_manual(struct check *check, const char *manual, const char *id)
{
    const char *at = manual;
    size_t before = check->text_count;

    while ((at = strstr(at, " -t ")) != NULL) {
        at += 4;
        if (text_asks(at, id))
            texts_add(check, at, strcspn(at, " \n`'"));
    }
    if (check->text_count == before)
        check_broken(check, id, "the manual shows no line with '-t %s'", id);
}

static void
texts_of_nonsense(struct check *check, const char *id)
{
    static const char *const rests[] = {
        "", ":", ":,", ":=", ":a", ":\xff", ":a=b,c=d", ":*,only=*", ":a:b:c"};
    char text[200];
    size_t i;

    for (i = 0; i < sizeof rests / sizeof *rests; i++) {
        snprintf(text, sizeof text, "%.100s%s", id, rests[i]);
        texts_add(check, text, strlen(text));
    }
}

void
check_transforms_begin(struct check *check)
{
    unsigned char *manual = NULL;
    size_t i, size_bytes;

    check->texts = calloc(TEXTS_MAX + 1, sizeof *check->texts);
    if (check->texts == NULL)
        return;
    if (check->manual != NULL)
        check_file(check->manual, &manual, &size_bytes);
    for (i = 0; check->transforms[i] != NULL; i++) {
        if (manual != NULL)
            texts_of_manual(check, (const char *)manual,
                            check->transforms[i]->id);
        texts_of_nonsense(check, check->transforms[i]->id);
    }
    free(manual);
}

void
check_transforms_end(struct check *check)
{
    size_t i;

    for (i = 0; i < check->text_count; i++)
        free(check->texts[i]);
    free(check->texts);
}

int
check_transform(struct check *check, struct ckpt *user, const char *path,
                const char *text, unsigned char digest[32])
{
    const char *const texts[] = {text, NULL};
    struct ckpt_input input = CKPT_INPUT;
    struct ckpt_file *file;
    int status;

    memset(digest, 0, 32);
    input.path = path;
    input.transforms = texts;
    status = ckpt_open(user, &input, &file);
    check_status(check, user, status, text);
    if (status != CKPT_OK)
        return status;
    status = check_digest(file, digest);
    check_status(check, user, status, text);
    ckpt_close(file);
    return status;
}

/* The same edit twice gives the same bytes. */
void
check_transforms(struct check *check)
{
    struct ckpt *user = check_user(check);
    unsigned char once[32], again[32];
    size_t i, k;

    for (i = 0; user != NULL && i < check->text_count; i++) {
        for (k = 0; k < check->sample_count; k++) {
            if (check_transform(check, user, check->samples[k], check->texts[i],
                                once) != CKPT_OK)
                continue;
            check_transform(check, user, check->samples[k], check->texts[i],
                            again);
            if (memcmp(once, again, sizeof once) != 0)
                check_broken(check, check->texts[i], "gives other bytes of %s",
                             check->samples[k]);
        }
    }
    ckpt_free(user);
}
