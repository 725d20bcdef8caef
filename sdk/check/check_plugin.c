/* SPDX-License-Identifier: MIT
 *
 * ckpt-check-plugin PLUGIN.so [MANUAL.md] SAMPLE...: the laws that every
 * plugin must keep. Samples are files of the plugin's formats, whole ones and
 * broken ones alike. It asks
 *
 *   1. that the tables are whole and the options are those of the manual;
 *   2. that the plugin loads and unloads again and again;
 *   3. that every truncation of every sample is read or refused, with one
 *      reason of the right form;
 *   4. that two instances at once read what each reads alone;
 *   5. that it stops in order when the nth allocation fails, whatever n is,
 *      and leaves no output and no file open.
 *   6. that its transforms, as the manual shows them and with arguments that
 *      make no sense, edit every sample or say why not.
 *
 * Built with sanitizers it also minds memory that is not given back.
 */
#include "check_plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_MAX 50

void
check_broken(struct check *check, const char *subject, const char *format, ...)
{
    va_list arguments;

    if (++check->fault_count > SHOWN_MAX)
        return;
    printf("%s: ", subject);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

const char *
check_path(struct check *check, const char *name)
{
    static char path[400];

    snprintf(path, sizeof path, "%s/%s", check->folder, name);
    return path;
}

bool
check_file(const char *path, unsigned char **bytes, size_t *size_bytes)
{
    FILE *file = fopen(path, "rb");
    long size = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    *bytes = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (*bytes != NULL) {
        rewind(file);
        *size_bytes = fread(*bytes, 1, (size_t)size, file);
        (*bytes)[*size_bytes] = '\0';
    }
    if (file != NULL)
        fclose(file);
    return *bytes != NULL;
}

static int
open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count;
}

/* Empties and removes the folder, and tells what was forgotten in it. */
static void
folder_end(struct check *check)
{
    DIR *folder = opendir(check->folder);
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (strcmp(entry->d_name, "cut") != 0)
            check_broken(check, check->file, "left '%s' behind", entry->d_name);
        unlink(check_path(check, entry->d_name));
    }
    if (folder != NULL)
        closedir(folder);
    rmdir(check->folder);
}

/* A plugin built before there were transforms has none. */
static const struct ckpt_transform *const *
transforms_of(const struct ckpt_plugin *tables)
{
    static const struct ckpt_transform *const none[] = {NULL};

    if (tables->size <= offsetof(struct ckpt_plugin, transforms) ||
        tables->transforms == NULL)
        return none;
    return tables->transforms;
}

static void
check_all(struct check *check)
{
    int before = open_files();

    check_tables(check);
    check_loading(check);
    check_samples(check);
    check_pairs(check);
    check_transforms_begin(check);
    check_transforms(check);
    check_memory(check);
    check_transforms_end(check);
    if (open_files() != before)
        check_broken(check, check->file, "%d files were left open",
                     open_files() - before);
}

static int
usage(void)
{
    fputs("usage: ckpt-check-plugin PLUGIN.so [MANUAL.md] SAMPLE...\n", stderr);
    return 2;
}

int
main(int count, char **arguments)
{
    struct check check = {.folder = "/tmp/ckpt-check-XXXXXX"};
    int next = 2;
    void *module;
    size_t length;

    if (count < 2)
        return usage();
    check.file = arguments[1];
    length = count > 2 ? strlen(arguments[2]) : 0;
    if (length > 3 && strcmp(arguments[2] + length - 3, ".md") == 0)
        check.manual = arguments[next++];
    check.samples = (const char **)arguments + next;
    check.sample_count = (size_t)(count - next);
    module = dlopen(check.file, RTLD_NOW | RTLD_LOCAL);
    check.tables = module != NULL ? dlsym(module, "ckpt_plugin") : NULL;
    if (check.tables == NULL || mkdtemp(check.folder) == NULL) {
        fprintf(stderr, "ckpt-check-plugin: %s\n",
                module == NULL ? dlerror() : "no ckpt_plugin, or no folder");
        return 2;
    }
    check.transforms = transforms_of(check.tables);
    check_all(&check);
    folder_end(&check);
    printf("%zu samples, %llu runs, %llu laws broken\n", check.sample_count,
           (unsigned long long)check.run_count,
           (unsigned long long)check.fault_count);
    dlclose(module);
    return check.fault_count == 0 ? 0 : 1;
}
