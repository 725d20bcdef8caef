/* SPDX-License-Identifier: MIT
 *
 * Loading, reading and writing through the library, as any program would:
 * whatever the input, there is a result or one reason.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_plugin.h"

#define LOAD_COUNT 50
#define DIGEST_COUNT 32 /* tensors of a file that are read */
#define CUT_COUNT 2000  /* a longer sample is not cut at every byte */
#define WRITTEN_MAX ((uint64_t)8 << 20)

struct ckpt *
check_user(struct check *check)
{
    const char *files[] = {check->file, NULL};
    struct ckpt_settings settings = CKPT_SETTINGS;
    struct ckpt *user = NULL;

    settings.plugin_files = files;
    settings.memory_max_bytes = (uint64_t)64 << 20;
    return ckpt_new(&settings, &user) == CKPT_OK ? user : NULL;
}

void
check_status(struct check *check, const struct ckpt *user, int status,
             const char *subject)
{
    const char *reason = status < 0 ? ckpt_error(user) : "";
    size_t length = reason != NULL ? strlen(reason) : 0;

    check->run_count++;
    if (status > CKPT_OK || status < CKPT_CANCELLED)
        check_broken(check, subject, "status %d does not exist", status);
    else if (status == CKPT_CONTRACT)
        check_broken(check, subject, "broke a contract: %s", reason);
    else if (status < 0 && length == 0)
        check_broken(check, subject, "status %d without a reason", status);
    else if (status < 0 && reason[length - 1] == '.')
        check_broken(check, subject, "a reason with a full stop: %s", reason);
}

int
check_digest(struct ckpt_file *file, unsigned char digest[32])
{
    const struct ckpt_graph *graph = ckpt_file_graph(file);
    const struct ckpt_tensor *tensor;
    unsigned char one[32];
    uint64_t read_bytes = 0;
    size_t i, k;
    int status;

    for (i = 0; i < graph->entry_count && i < DIGEST_COUNT; i++) {
        tensor = graph->entries[i].value->as.tensor;
        if (tensor->size_bytes > WRITTEN_MAX ||
            tensor->storage->size_bytes > WRITTEN_MAX - read_bytes)
            continue;
        read_bytes += tensor->storage->size_bytes;
        status = ckpt_file_digest(file, tensor, one);
        if (status != CKPT_OK)
            return status;
        for (k = 0; k < 32; k++)
            digest[k] = (unsigned char)(digest[k] * 31 + one[k]);
    }
    return CKPT_OK;
}

/* Tried by each reader until one takes it. */
static int
open_any(struct check *check, struct ckpt *user, const char *path,
         struct ckpt_file **file)
{
    struct ckpt_input input = CKPT_INPUT;
    size_t i;
    int status = CKPT_UNSUPPORTED;

    input.path = path;
    for (i = 0; check->tables->readers && check->tables->readers[i]; i++) {
        input.from = check->tables->readers[i]->id;
        status = ckpt_open(user, &input, file);
        check_status(check, user, status, path);
        if (status == CKPT_OK || status == CKPT_MEMORY)
            break;
    }
    return status;
}

static int
judge(struct check *check, struct ckpt *user, const char *path, bool scan)
{
    struct ckpt_input input = CKPT_INPUT;
    struct ckpt_judgement *judgement = NULL;
    int status;

    input.path = path;
    status = scan ? ckpt_scan(user, &input, &judgement)
                  : ckpt_verify(user, &input, &judgement);
    check_status(check, user, status, path);
    ckpt_judgement_free(judgement);
    return status;
}

static bool
has_scanners(const struct check *check)
{
    return check->tables->size > offsetof(struct ckpt_plugin, scanners) &&
           check->tables->scanners != NULL;
}

int
check_read(struct check *check, struct ckpt *user, const char *path,
           unsigned char digest[32])
{
    struct ckpt_file *file = NULL;
    int status;

    memset(digest, 0, 32);
    if (check->tables->readers == NULL)
        return has_scanners(check) ? judge(check, user, path, true)
                                   : CKPT_UNSUPPORTED;
    status = open_any(check, user, path, &file);
    if (status != CKPT_OK)
        return status;
    status = check_digest(file, digest);
    check_status(check, user, status, path);
    ckpt_close(file);
    return status;
}

/* Whether all that is to be written is small enough to be written often. */
static int
measure(struct ckpt *user, const char *path, bool *small)
{
    struct ckpt_input input = CKPT_INPUT;
    struct ckpt_file *file;
    const struct ckpt_graph *graph;
    const struct ckpt_tensor *tensor;
    uint64_t left = WRITTEN_MAX;
    size_t i;
    int status;

    input.path = path;
    status = ckpt_open(user, &input, &file);
    if (status != CKPT_OK)
        return status;
    graph = ckpt_file_graph(file);
    *small = true;
    for (i = 0; i < graph->entry_count && *small; i++) {
        tensor = graph->entries[i].value->as.tensor;
        *small = tensor->size_bytes <= left &&
                 tensor->storage->size_bytes <= left - tensor->size_bytes;
        if (*small)
            left -= tensor->size_bytes + tensor->storage->size_bytes;
    }
    ckpt_close(file);
    return CKPT_OK;
}

int
check_write(struct check *check, struct ckpt *user, const char *path)
{
    struct ckpt_conversion conversion = CKPT_CONVERSION;
    const struct ckpt_writer *writer;
    char output[400], name[80];
    bool small = false;
    size_t i;
    int status = measure(user, path, &small);

    if (status != CKPT_OK || !small)
        return status;
    conversion.input.path = path;
    conversion.output = output;
    for (i = 0; check->tables->writers && check->tables->writers[i]; i++) {
        writer = check->tables->writers[i];
        snprintf(name, sizeof name, "out%s",
                 writer->suffixes[0] != NULL ? writer->suffixes[0] : "");
        snprintf(output, sizeof output, "%s", check_path(check, name));
        conversion.to = writer->id;
        status = ckpt_convert(user, &conversion, NULL);
        check_status(check, user, status, path);
        if (status != CKPT_OK && access(output, F_OK) == 0)
            check_broken(check, path, "an output in spite of status %d",
                         status);
        unlink(output);
        if (status != CKPT_OK)
            break;
    }
    return status;
}

void
check_loading(struct check *check)
{
    struct ckpt *user;
    void *module;
    int i;

    for (i = 0; i < LOAD_COUNT; i++) {
        module = dlopen(check->file, RTLD_NOW | RTLD_LOCAL);
        if (module == NULL || dlsym(module, "ckpt_plugin") == NULL)
            check_broken(check, check->file, "loads only once");
        if (module != NULL)
            dlclose(module);
        user = check_user(check);
        if (user == NULL || ckpt_plugin_load(user, 0) != CKPT_OK)
            check_broken(check, check->file, "does not load: %s",
                         user != NULL ? ckpt_error(user) : "no memory");
        ckpt_free(user);
        check->run_count++;
    }
}

/* A copy is cut from its end, which costs the file system least. */
static void
check_cuts(struct check *check, struct ckpt *user, const char *sample)
{
    char path[400];
    unsigned char *bytes, digest[32];
    size_t size, cut, step;
    FILE *file;

    if (!check_file(sample, &bytes, &size)) {
        check_broken(check, sample, "cannot be read");
        return;
    }
    snprintf(path, sizeof path, "%s", check_path(check, "cut"));
    unlink(path);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size)
        check_broken(check, sample, "cannot be copied");
    if (file != NULL)
        fclose(file);
    free(bytes);
    step = size / CUT_COUNT + 1;
    for (cut = size; cut >= step;) {
        cut -= step;
        if (truncate(path, (off_t)cut) != 0)
            check_broken(check, sample, "cannot be cut");
        check_read(check, user, path, digest);
    }
}

void
check_samples(struct check *check)
{
    struct ckpt *user = check_user(check);
    unsigned char digest[32];
    size_t i;

    for (i = 0; user != NULL && i < check->sample_count; i++) {
        if (check_read(check, user, check->samples[i], digest) == CKPT_OK)
            check_write(check, user, check->samples[i]);
        if (check->tables->readers != NULL)
            judge(check, user, check->samples[i], false);
        check_cuts(check, user, check->samples[i]);
    }
    ckpt_free(user);
}

/* Opens both, reads both in turn, closes the first one first. */
static void
check_pair(struct check *check, const char *const paths[2],
           unsigned char alone[2][32])
{
    struct ckpt *users[2] = {check_user(check), check_user(check)};
    struct ckpt_file *files[2] = {NULL, NULL};
    unsigned char digest[32];
    int i;

    for (i = 0; i < 2; i++)
        if (users[i] == NULL ||
            open_any(check, users[i], paths[i], &files[i]) != CKPT_OK)
            check_broken(check, paths[i], "does not open beside another");
    for (i = 0; i < 2 && files[0] != NULL && files[1] != NULL; i++) {
        memset(digest, 0, sizeof digest);
        if (check_digest(files[i], digest) != CKPT_OK ||
            memcmp(digest, alone[i], sizeof digest) != 0)
            check_broken(check, paths[i], "reads otherwise beside another");
    }
    for (i = 0; i < 2; i++) {
        ckpt_close(files[i]);
        ckpt_free(users[i]);
    }
}

void
check_pairs(struct check *check)
{
    const char *paths[2];
    unsigned char alone[2][32];
    struct ckpt *user = check_user(check);
    size_t i, have = 0;

    for (i = 0; user != NULL && i < check->sample_count; i++) {
        if (check->tables->readers == NULL ||
            check_read(check, user, check->samples[i], alone[have]) != CKPT_OK)
            continue;
        paths[have++] = check->samples[i];
        if (have == 2)
            check_pair(check, paths, alone);
        have %= 2;
    }
    ckpt_free(user);
}
