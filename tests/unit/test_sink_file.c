/* SPDX-License-Identifier: MIT
 *
 * Sinks: the name comes last, what fails leaves nothing, and what was there
 * stays whole.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "file_unit.h"

#include "hub/io/sink.h"

static struct hub_sink *
sink_open(struct unit *unit, struct folder *folder, uint64_t size_bytes,
          bool force)
{
    struct hub_sink *sink = NULL;

    assert_status(hub_sink_begin(&unit->budget, folder_path(folder, "out"),
                                 size_bytes, force, &sink),
                  CKPT_OK);
    return sink;
}

static int
sink_refused(struct unit *unit, struct folder *folder, const char *name,
             uint64_t size_bytes, bool force)
{
    struct hub_sink *sink = NULL;
    int status;

    hub_report_clear(&unit->report);
    status = hub_sink_begin(&unit->budget, folder_path(folder, name),
                            size_bytes, force, &sink);
    assert_null(sink);
    return status;
}

static void
test_commit(void **state)
{
    struct folder folder = folder_begin();
    struct hub_sink *sink = sink_open(*state, &folder, 6, false);
    struct stat seen;

    assert_int_not_equal(stat(folder_path(&folder, "out"), &seen), 0);
    assert_status(hub_sink_write(sink, "abc", 3), CKPT_OK);
    assert_status(hub_sink_write(sink, "", 0), CKPT_OK);
    assert_status(hub_sink_write(sink, "def", 3), CKPT_OK);
    assert_status(hub_sink_finish(sink, true), CKPT_OK);
    assert_status(hub_sink_commit(sink, false, true), CKPT_OK);
    hub_sink_free(sink);
    assert_file(&folder, "out", "abcdef", 6);
    assert_int_equal(folder_count(&folder), 1);
    folder_end(&folder);
}

static void
test_roll_back(void **state)
{
    struct folder folder = folder_begin();
    struct hub_sink *sink = sink_open(*state, &folder, 6, false);

    assert_int_equal(folder_count(&folder), 1);
    assert_status(hub_sink_write(sink, "abc", 3), CKPT_OK);
    hub_sink_free(sink);
    assert_int_equal(folder_count(&folder), 0);
    hub_sink_free(NULL);
    folder_end(&folder);
}

static void
test_existing_output(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct hub_sink *sink;
    struct stat seen;

    folder_write(&folder, "out", "old", 3);
    chmod(folder_path(&folder, "out"), 0640);
    assert_status(sink_refused(unit, &folder, "out", 3, false), CKPT_CONFLICT);
    assert_contains(unit->report.remedy, "--force");
    sink = sink_open(unit, &folder, 4, true);
    assert_status(hub_sink_write(sink, "news", 4), CKPT_OK);
    assert_file(&folder, "out", "old", 3);
    assert_status(hub_sink_finish(sink, false), CKPT_OK);
    assert_status(hub_sink_commit(sink, true, false), CKPT_OK);
    hub_sink_free(sink);
    assert_file(&folder, "out", "news", 4);
    stat(folder_path(&folder, "out"), &seen);
    assert_int_equal(seen.st_mode & 07777, 0640);
    assert_int_equal(folder_count(&folder), 1);
    folder_end(&folder);
}

/* Somebody else made the file after begin: it is not lost. */
static void
test_output_that_came_meanwhile(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct hub_sink *sink = sink_open(unit, &folder, 0, false);

    folder_write(&folder, "out", "theirs", 6);
    assert_status(hub_sink_finish(sink, false), CKPT_OK);
    assert_status(hub_sink_commit(sink, false, false), CKPT_CONFLICT);
    hub_sink_free(sink);
    assert_file(&folder, "out", "theirs", 6);
    assert_int_equal(folder_count(&folder), 1);
    folder_end(&folder);
}

static void
test_places_that_cannot_be(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();

    assert_status(sink_refused(unit, &folder, "none/out", 3, false), CKPT_IO);
    assert_status(sink_refused(unit, &folder, ".", 3, true), CKPT_CONFLICT);
    mkfifo(folder_path(&folder, "pipe"), 0600);
    assert_status(sink_refused(unit, &folder, "pipe", 3, true),
                  CKPT_UNSUPPORTED);
    assert_status(sink_refused(unit, &folder, "out", UINT64_MAX, false),
                  CKPT_LIMIT);
    assert_int_equal(folder_count(&folder), 1);
    folder_end(&folder);
}

static void
test_link_is_followed(void **state)
{
    struct folder folder = folder_begin();
    struct hub_sink *sink;
    struct stat seen;

    folder_write(&folder, "real", "old", 3);
    assert_int_equal(symlink("real", folder_path(&folder, "out")), 0);
    sink = sink_open(*state, &folder, 3, true);
    assert_status(hub_sink_write(sink, "new", 3), CKPT_OK);
    assert_status(hub_sink_finish(sink, false), CKPT_OK);
    assert_status(hub_sink_commit(sink, true, false), CKPT_OK);
    hub_sink_free(sink);
    assert_file(&folder, "real", "new", 3);
    lstat(folder_path(&folder, "out"), &seen);
    assert_true(S_ISLNK(seen.st_mode));
    folder_end(&folder);
}

/* A limit on the size of files stands in for a disk that is full. */
static void
test_full_disk_fails_at_once(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct rlimit old, small = {1 << 20, RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    assert_status(sink_refused(unit, &folder, "out", 2 << 20, false), CKPT_IO);
    assert_contains(unit->report.text, "cannot make room for the output");
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(folder_count(&folder), 0);
    folder_end(&folder);
}

static void
test_too_few_bytes(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct hub_sink *sink = sink_open(unit, &folder, 4, false);

    assert_status(hub_sink_write(sink, "abc", 3), CKPT_OK);
    assert_status(hub_sink_finish(sink, false), CKPT_CONTRACT);
    hub_sink_free(sink);
    assert_int_equal(folder_count(&folder), 0);
    folder_end(&folder);
}

/* Writes of every size around the buffer's, through each of the doors. */
static void
test_sizes_around_the_buffer(void **state)
{
    static const size_t sizes[] = {1,
                                   HUB_SINK_BUFFER_BYTES / 2 - 1,
                                   HUB_SINK_BUFFER_BYTES / 2,
                                   HUB_SINK_BUFFER_BYTES / 2 + 1,
                                   3,
                                   HUB_SINK_BUFFER_BYTES - 1,
                                   HUB_SINK_BUFFER_BYTES,
                                   HUB_SINK_BUFFER_BYTES + 1,
                                   5};
    size_t i, k, at = 0, total = 0;
    struct folder folder = folder_begin();
    struct hub_sink *sink;
    unsigned char *bytes, *room;

    for (i = 0; i < COUNT_OF(sizes); i++)
        total += 2 * sizes[i];
    bytes = malloc(total);
    for (i = 0; i < total; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    sink = sink_open(*state, &folder, total, false);
    for (i = 0; i < COUNT_OF(sizes); i++) {
        assert_status(hub_sink_write(sink, bytes + at, sizes[i]), CKPT_OK);
        at += sizes[i];
        if (sizes[i] > HUB_SINK_BUFFER_BYTES) {
            assert_status(hub_sink_write(sink, bytes + at, sizes[i]), CKPT_OK);
            at += sizes[i];
            continue;
        }
        assert_status(hub_sink_borrow(sink, sizes[i], &room), CKPT_OK);
        for (k = 0; k < sizes[i]; k++)
            room[k] = bytes[at++];
        hub_sink_advance(sink, sizes[i]);
    }
    assert_status(hub_sink_finish(sink, false), CKPT_OK);
    assert_status(hub_sink_commit(sink, false, false), CKPT_OK);
    hub_sink_free(sink);
    assert_file(&folder, "out", bytes, total);
    free(bytes);
    folder_end(&folder);
}

static void
test_copy_between_files(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct hub_sink *sink;
    struct ckpt_source *source;
    size_t done = 0;

    folder_write(&folder, "in", "0123456789", 10);
    assert_status(
        hub_source_open(&unit->budget, folder_path(&folder, "in"), &source),
        CKPT_OK);
    sink = sink_open(unit, &folder, 9, false);
    assert_status(hub_sink_write(sink, "abc", 3), CKPT_OK);
    assert_status(hub_sink_copy(sink, source, 4, 3, &done), CKPT_OK);
    if (done == 0)
        assert_status(hub_sink_write(sink, "456", 3), CKPT_OK);
    else
        assert_int_equal(done, 3);
    assert_status(hub_sink_write(sink, "xyz", 3), CKPT_OK);
    assert_status(hub_sink_copy(sink, source, 10, 3, &done), CKPT_OK);
    assert_int_equal(done, 0);
    assert_status(hub_sink_finish(sink, false), CKPT_OK);
    assert_status(hub_sink_commit(sink, false, false), CKPT_OK);
    hub_sink_free(sink);
    hub_source_free(source);
    assert_file(&folder, "out", "abc456xyz", 9);
    folder_end(&folder);
}

static void
test_long_names(void **state)
{
    struct unit *unit = *state;
    struct folder folder = folder_begin();
    struct hub_sink *sink = NULL;
    char name[256];

    memset(name, 'n', 255);
    name[255] = '\0';
    snprintf(folder.text, sizeof folder.text, "%s", folder.path);
    {
        char path[400];

        snprintf(path, sizeof path, "%s/%s", folder.path, name);
        assert_status(hub_sink_begin(&unit->budget, path, 0, false, &sink),
                      CKPT_OK);
        assert_status(hub_sink_finish(sink, false), CKPT_OK);
        assert_status(hub_sink_commit(sink, false, false), CKPT_OK);
        hub_sink_free(sink);
        assert_int_equal(unlink(path), 0);
    }
    folder_end(&folder);
}

/* Bytes at any place, as a writer that drives puts them. */
static void
test_any_place(void **state)
{
    struct folder folder = folder_begin();
    struct hub_sink *sink = sink_open(*state, &folder, 0, false);
    char got[4];

    assert_status(hub_sink_put(sink, 6, "ghi", 3), CKPT_OK);
    assert_status(hub_sink_put(sink, 0, "abc", 3), CKPT_OK);
    assert_status(hub_sink_get(sink, 2, got, 4), CKPT_OK);
    assert_memory_equal(got, "c\0\0\0", 4);
    assert_status(hub_sink_get(sink, 7, got, 4), CKPT_IO);
    assert_status(hub_sink_resize(sink, 7), CKPT_OK);
    sink->size_bytes = sink->position = 7;
    assert_status(hub_sink_finish(sink, false), CKPT_OK);
    assert_status(hub_sink_commit(sink, false, false), CKPT_OK);
    hub_sink_free(sink);
    assert_file(&folder, "out", "abc\0\0\0g", 7);
    folder_end(&folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_commit),
        unit_case(test_roll_back),
        unit_case(test_existing_output),
        unit_case(test_output_that_came_meanwhile),
        unit_case(test_places_that_cannot_be),
        unit_case(test_link_is_followed),
        unit_case(test_full_disk_fails_at_once),
        unit_case(test_too_few_bytes),
        unit_case(test_sizes_around_the_buffer),
        unit_case(test_copy_between_files),
        unit_case(test_long_names),
        unit_case(test_any_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
