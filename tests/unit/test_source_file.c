/* SPDX-License-Identifier: MIT
 *
 * Sources: reads and peeks at every edge, files that change, and names that
 * try to leave the folder.
 */
#include <sys/stat.h>

#include "file_unit.h"

#include "hub/io/source.h"

static struct ckpt_source *
source_open(struct unit *unit, const char *path)
{
    struct ckpt_source *source = NULL;

    assert_status(hub_source_open(&unit->budget, path, &source), CKPT_OK);
    return source;
}

static void
test_reads_at_the_edges(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct ckpt_source *sources[2];
    char got[11];
    size_t i;

    folder_write(&folder, "in", "0123456789", 10);
    sources[0] = source_open(unit, folder_path(&folder, "in"));
    assert_status(
        hub_source_memory(&unit->budget, "in", "0123456789", 10, &sources[1]),
        CKPT_OK);
    for (i = 0; i < 2; i++) {
        assert_string_equal(sources[i]->name, "in");
        assert_int_equal(sources[i]->size_bytes, 10);
        assert_status(hub_source_read(sources[i], 0, got, 10), CKPT_OK);
        assert_memory_equal(got, "0123456789", 10);
        assert_status(hub_source_read(sources[i], 9, got, 1), CKPT_OK);
        assert_status(hub_source_read(sources[i], 10, got, 0), CKPT_OK);
        assert_status(hub_source_read(sources[i], 9, got, 2), CKPT_FORMAT);
        assert_contains(unit->report.text, "(byte 9)");
        assert_status(hub_source_read(sources[i], UINT64_MAX, got, 2),
                      CKPT_FORMAT);
        hub_report_clear(&unit->report);
        hub_source_free(sources[i]);
    }
    hub_source_free(NULL);
    folder_end(&folder);
}

/* Peeks of all sizes at all places give the file's bytes. */
static void
test_peeks(void **state)
{
    enum { SIZE = 3 << 20 };
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    unsigned char *bytes = malloc(SIZE);
    struct ckpt_source *source;
    struct ckpt_span span;
    size_t size;
    uint64_t at;
    int i;

    srand(3);
    for (i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)rand();
    folder_write(&folder, "in", bytes, SIZE);
    source = source_open(unit, folder_path(&folder, "in"));
    for (i = 0, at = 0; i < 2000; i++) {
        size = (size_t)(rand() % (i % 10 == 0 ? (1 << 20) + 1 : 5000));
        at = i % 3 == 0 ? (uint64_t)(rand() % SIZE) : at + 100;
        if (at + size > SIZE)
            at = SIZE - size;
        assert_status(hub_source_peek(source, at, size, &span), CKPT_OK);
        assert_true(span.size_bytes >= size);
        assert_true(at + span.size_bytes <= SIZE);
        assert_int_equal(memcmp(span.data, bytes + at, span.size_bytes), 0);
    }
    assert_status(hub_source_peek(source, SIZE, 0, &span), CKPT_OK);
    assert_status(hub_source_peek(source, SIZE, 1, &span), CKPT_FORMAT);
    hub_report_clear(&unit->report);
    assert_status(hub_source_peek(source, 0, (1 << 20) + 1, &span),
                  CKPT_CONTRACT);
    hub_source_free(source);
    free(bytes);
    folder_end(&folder);
}

static void
test_file_that_shrank(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct ckpt_source *source;
    struct ckpt_span span;
    char bytes[100] = {0};

    folder_write(&folder, "in", bytes, 100);
    source = source_open(unit, folder_path(&folder, "in"));
    assert_status(hub_source_unchanged(source), CKPT_OK);
    assert_int_equal(truncate(folder_path(&folder, "in"), 50), 0);
    assert_status(hub_source_unchanged(source), CKPT_IO);
    hub_report_clear(&unit->report);
    assert_status(hub_source_read(source, 0, bytes, 100), CKPT_IO);
    assert_contains(unit->report.text, "shrank");
    assert_contains(unit->report.text, "(byte 50)");
    assert_status(hub_source_peek(source, 60, 10, &span), CKPT_IO);
    hub_source_free(source);
    folder_end(&folder);
}

static void
test_what_is_no_file(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct ckpt_source *source;
    const char *const *names;

    assert_status(
        hub_source_open(&unit->budget, folder_path(&folder, "none"), &source),
        CKPT_IO);
    assert_contains(unit->report.text, "No such file");
    hub_report_clear(&unit->report);
    mkfifo(folder_path(&folder, "pipe"), 0600);
    assert_status(
        hub_source_open(&unit->budget, folder_path(&folder, "pipe"), &source),
        CKPT_UNSUPPORTED);
    folder_write(&folder, "in", "", 0);
    source = source_open(unit, folder_path(&folder, "in"));
    assert_status(hub_source_list(source, &names), CKPT_CONTRACT);
    hub_source_free(source);
    folder_end(&folder);
}

static void
test_folder(void **state)
{
    static const char *const wanted[] = {".hidden", "B", "a", "a.b"};
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct ckpt_source *source, *inside, *beside, *below, *deep;
    const char *const *names;
    size_t i;

    for (i = 0; i < COUNT_OF(wanted); i++)
        folder_write(&folder, wanted[i], wanted[i], i);
    snprintf(folder.text, sizeof folder.text, "%s//", folder.path);
    source = source_open(unit, folder.text);
    assert_true(source->folder);
    assert_int_equal(source->size_bytes, 0);
    assert_string_equal(source->name, strrchr(folder.path, '/') + 1);
    assert_status(hub_source_list(source, &names), CKPT_OK);
    for (i = 0; i < COUNT_OF(wanted); i++)
        assert_string_equal(names[i], wanted[i]);
    assert_null(names[i]);
    assert_status(hub_source_open_beside(source, "a", &inside), CKPT_OK);
    assert_int_equal(inside->size_bytes, 2);
    assert_status(hub_source_open_beside(inside, "a.b", &beside), CKPT_OK);
    assert_int_equal(beside->size_bytes, 3);
    assert_true(hub_source_is_beside(source, inside, "a"));
    assert_true(hub_source_is_beside(inside, beside, "a.b"));
    assert_false(hub_source_is_beside(inside, beside, "a"));
    /* The same name in a folder below is another file. */
    assert_int_equal(mkdir(folder_path(&folder, "below"), 0700), 0);
    folder_write(&folder, "below/a", "x", 1);
    assert_status(hub_source_open_beside(source, "below", &below), CKPT_OK);
    assert_status(hub_source_open_beside(below, "a", &deep), CKPT_OK);
    assert_int_equal(deep->size_bytes, 1);
    assert_true(hub_source_is_beside(below, deep, "a"));
    assert_false(hub_source_is_beside(below, inside, "a"));
    assert_false(hub_source_is_beside(source, deep, "a"));
    hub_source_free(deep);
    hub_source_free(below);
    assert_int_equal(unlink(folder_path(&folder, "below/a")), 0);
    assert_int_equal(rmdir(folder_path(&folder, "below")), 0);
    hub_source_free(beside);
    hub_source_free(inside);
    hub_source_free(source);
    folder_end(&folder);
}

static void
test_names_that_climb(void **state)
{
    static const char *const names[] = {"",      ".",    "..",         "../a",
                                        "a/b",   "/a",   "./a",        "a/",
                                        "..\\a", "a\\b", "/etc/passwd"};
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct ckpt_source *source, *opened;
    size_t i;

    folder_write(&folder, "a", "", 0);
    source = source_open(unit, folder_path(&folder, "a"));
    for (i = 0; i < COUNT_OF(names); i++) {
        hub_report_clear(&unit->report);
        if (hub_source_open_beside(source, names[i], &opened) != CKPT_FORMAT)
            fail_msg("'%s' was followed", names[i]);
    }
    hub_report_clear(&unit->report);
    assert_status(hub_source_open_beside(source, "none", &opened), CKPT_IO);
    hub_source_free(source);
    folder_end(&folder);
}

static void
test_links_that_leave(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin(), other = folder_begin();
    struct ckpt_source *source, *opened;

    folder_write(&other, "secret", "s", 1);
    folder_write(&folder, "a", "", 0);
    assert_int_equal(
        symlink(folder_path(&other, "secret"), folder_path(&folder, "out")), 0);
    assert_int_equal(symlink("a", folder_path(&folder, "in")), 0);
    source = source_open(unit, folder_path(&folder, "a"));
    assert_status(hub_source_open_beside(source, "out", &opened), CKPT_FORMAT);
    assert_contains(unit->report.text, "leaves the folder");
    assert_status(hub_source_open_beside(source, "in", &opened), CKPT_OK);
    hub_source_free(opened);
    hub_source_free(source);
    folder_end(&other);
    folder_end(&folder);
}

/* snapshots/rev/one -> ../../blobs/b1, as a Hugging Face cache has it. */
static void
test_cache_of_blobs(void **state)
{
    static const char *const folders[] = {"blobs", "blobs/deep", "snapshots",
                                          "snapshots/rev"};
    static const char *const links[][2] = {
        {"../../blobs/b1", "snapshots/rev/one"},
        {"../../blobs/deep/b2", "snapshots/rev/two"},
        {"../../snapshots", "snapshots/rev/three"}};
    static const char *const files[] = {"blobs/b1", "blobs/deep/b2"};
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct ckpt_source *source, *opened;
    size_t i;

    for (i = 0; i < COUNT_OF(folders); i++)
        mkdir(folder_path(&folder, folders[i]), 0700);
    for (i = 0; i < COUNT_OF(files); i++)
        folder_write(&folder, files[i], "x", 1);
    for (i = 0; i < COUNT_OF(links); i++)
        assert_int_equal(
            symlink(links[i][0], folder_path(&folder, links[i][1])), 0);
    source = source_open(unit, folder_path(&folder, "snapshots/rev"));
    assert_status(hub_source_open_beside(source, "one", &opened), CKPT_OK);
    hub_source_free(opened);
    assert_status(hub_source_open_beside(source, "two", &opened), CKPT_FORMAT);
    assert_status(hub_source_open_beside(source, "three", &opened),
                  CKPT_FORMAT);
    hub_source_free(source);
    for (i = 0; i < COUNT_OF(links); i++)
        unlink(folder_path(&folder, links[i][1]));
    for (i = 0; i < COUNT_OF(files); i++)
        unlink(folder_path(&folder, files[i]));
    for (i = COUNT_OF(folders); i-- > 0;)
        rmdir(folder_path(&folder, folders[i]));
    folder_end(&folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_reads_at_the_edges),
        unit_case(test_peeks),
        unit_case(test_file_that_shrank),
        unit_case(test_what_is_no_file),
        unit_case(test_folder),
        unit_case(test_names_that_climb),
        unit_case(test_links_that_leave),
        unit_case(test_cache_of_blobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
