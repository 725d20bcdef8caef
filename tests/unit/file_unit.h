/* SPDX-License-Identifier: MIT
 *
 * A folder of its own for a test that needs files.
 */
#ifndef FILE_UNIT_H
#define FILE_UNIT_H

#include <dirent.h>
#include <unistd.h>

#include "unit.h"

struct folder {
    char path[64];
    char text[200]; /* of the last folder_path */
};

static inline struct folder
folder_begin(void)
{
    struct folder folder = {.path = "/tmp/ckpt-unit-XXXXXX"};

    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline const char *
folder_path(struct folder *folder, const char *name)
{
    snprintf(folder->text, sizeof folder->text, "%s/%s", folder->path, name);
    return folder->text;
}

static inline void
folder_write(struct folder *folder, const char *name, const void *bytes,
             size_t size_bytes)
{
    FILE *file = fopen(folder_path(folder, name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void
assert_file(struct folder *folder, const char *name, const void *bytes,
            size_t size_bytes)
{
    FILE *file = fopen(folder_path(folder, name), "rb");
    char *got = malloc(size_bytes + 1);

    assert_non_null(file);
    assert_int_equal(fread(got, 1, size_bytes + 1, file), size_bytes);
    assert_int_equal(memcmp(got, bytes, size_bytes), 0);
    fclose(file);
    free(got);
}

/* How many files there are. */
static inline int
folder_count(const struct folder *folder)
{
    DIR *listing = opendir(folder->path);
    int count = -2;

    while (readdir(listing) != NULL)
        count++;
    closedir(listing);
    return count;
}

static inline void
folder_end(struct folder *folder)
{
    DIR *listing = opendir(folder->path);
    struct dirent *entry;

    while ((entry = readdir(listing)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(folder_path(folder, entry->d_name));
    closedir(listing);
    assert_int_equal(rmdir(folder->path), 0);
}

#endif
