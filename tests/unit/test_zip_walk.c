/* SPDX-License-Identifier: MIT
 *
 * The walk over zip archives, on archives that are made here byte by byte and
 * then damaged: each rule that it checks has an archive that breaks it. What
 * is read is held against libzip.
 */
#include "unit.h"

#include "false_host.h"
#include "zip_archive.h"
#include "zip_walk.h"

#include <zip.h>

static const struct member plain[] = {
    {.name = "a/data.pkl", .data = "hello", .crc32 = 7},
    {.name = "a/version", .data = "3\n", .crc32 = 8, .flags = 8, .extra = 13},
    {.name = "a/empty"},
};
#define PLAIN_COUNT COUNT_OF(plain)

static int
open_archive(struct false_host *host, const struct archive *a,
             struct sdk_zip *zip)
{
    struct ckpt_source source = {.data = a->data, .size_bytes = a->size};

    false_host_init(host);
    return sdk_zip_open(&host->table, &source, zip);
}

static void
expect_failure(const struct archive *a, int wanted, size_t byte,
               const char *part)
{
    struct false_host host;
    struct sdk_zip zip = {0};

    assert_status(open_archive(&host, a, &zip), wanted);
    assert_contains(host.text, part);
    assert_int_equal(host.byte, byte);
    assert_int_equal(host.failure_count, 1);
    assert_int_equal(host.live_count, 0);
}

/* ---- What is read ---- */

/* libzip must see the same members, and the same bytes in them. */
static void
expect_same(const struct archive *a, const struct sdk_zip *zip)
{
    zip_source_t *source;
    zip_error_t error;
    zip_t *other;
    size_t i;

    zip_error_init(&error);
    source = zip_source_buffer_create(a->data, a->size, 0, &error);
    other = zip_open_from_source(source, ZIP_RDONLY, &error);
    assert_non_null(other);
    assert_int_equal(zip_get_num_entries(other, 0), zip->member_count);
    for (i = 0; i < zip->member_count; i++) {
        const struct sdk_zip_member *member = &zip->members[i];
        unsigned char data[64];
        zip_file_t *file;
        zip_stat_t stat;

        assert_int_equal(zip_stat_index(other, i, ZIP_FL_ENC_RAW, &stat), 0);
        assert_int_equal(strlen(stat.name), member->name_bytes);
        assert_memory_equal(stat.name, member->name, member->name_bytes);
        assert_int_equal(stat.size, member->size_bytes);
        assert_int_equal(stat.comp_size, member->packed_bytes);
        assert_int_equal(stat.comp_method, member->method);
        assert_int_equal(stat.crc, member->crc32);
        file = zip_fopen_index(other, i, ZIP_FL_COMPRESSED);
        assert_non_null(file);
        assert_int_equal(zip_fread(file, data, member->packed_bytes),
                         member->packed_bytes);
        assert_memory_equal(data, a->data + member->data_offset,
                            member->packed_bytes);
        zip_fclose(file);
    }
    zip_discard(other);
    zip_error_fini(&error);
}

static void
expect_plain(const struct archive *a)
{
    struct false_host host;
    struct sdk_zip zip = {0};
    const struct sdk_zip_member *member;
    size_t i;

    assert_status(open_archive(&host, a, &zip), CKPT_OK);
    assert_int_equal(zip.member_count, PLAIN_COUNT);
    for (i = 0; i < PLAIN_COUNT; i++) {
        size_t size = plain[i].data ? strlen(plain[i].data) : 0;

        member = sdk_zip_find(&zip, plain[i].name, strlen(plain[i].name));
        assert_non_null(member);
        assert_ptr_equal(member, &zip.members[i]);
        assert_int_equal(member->size_bytes, size);
        assert_int_equal(member->crc32, plain[i].crc32);
        assert_memory_equal(a->data + member->data_offset,
                            plain[i].data ? plain[i].data : "", size);
    }
    expect_same(a, &zip);
    assert_null(sdk_zip_find(&zip, "a/VERSION", 9));
    assert_null(sdk_zip_find(&zip, "b/version", 9));
    sdk_zip_close(&host.table, &zip);
    assert_int_equal(host.live_count, 0);
}

static void
test_plain(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    expect_plain(&a);
    build(&a, plain, PLAIN_COUNT, true);
    expect_plain(&a);
}

static void
test_zip64(void **state)
{
    struct member wide[PLAIN_COUNT];
    struct archive a;
    size_t i;

    (void)state;
    memcpy(wide, plain, sizeof plain);
    for (i = 0; i < PLAIN_COUNT; i++)
        wide[i].zip64 = true;
    build(&a, wide, PLAIN_COUNT, true);
    memset(a.data + a.end + 8, 0xff, 12); /* only the wide record knows */
    expect_plain(&a);
}

static void
test_empty(void **state)
{
    struct false_host host;
    struct sdk_zip zip = {0};
    struct archive a;

    (void)state;
    build(&a, NULL, 0, false);
    assert_status(open_archive(&host, &a, &zip), CKPT_OK);
    assert_int_equal(zip.member_count, 0);
    assert_null(sdk_zip_find(&zip, "a", 1));
    sdk_zip_close(&host.table, &zip);
}

static void
test_comment_and_trailing(void **state)
{
    struct false_host host;
    struct sdk_zip zip = {0};
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.end + 20, 7);
    put(&a, "comment", 7);
    expect_plain(&a);
    put(&a, "junk", 4);
    expect_plain(&a);
    assert_status(open_archive(&host, &a, &zip), CKPT_OK);
    assert_int_equal(zip.trailing_bytes, 4);
    sdk_zip_close(&host.table, &zip);
}

static void
test_unordered(void **state)
{
    unsigned char swap[46 + 9];
    struct archive a;
    struct member two[2] = {{.name = "a/first", .data = "1"},
                            {.name = "a/other", .data = "22"}};
    struct false_host host;
    struct sdk_zip zip = {0};

    (void)state;
    build(&a, two, 2, false);
    memcpy(swap, a.data + a.entries[0], 53);
    memmove(a.data + a.entries[0], a.data + a.entries[1], 53);
    memcpy(a.data + a.entries[1], swap, 53);
    assert_status(open_archive(&host, &a, &zip), CKPT_OK);
    expect_same(&a, &zip);
    assert_memory_equal(zip.members[0].name, "a/other", 7);
    assert_int_equal(a.data[zip.members[0].data_offset], '2');
    sdk_zip_close(&host.table, &zip);
}

/* ---- What is refused ---- */

/* Two archives one after the other: some readers would take the directory of
 * the first, by its position, and some that of the second, by where it is. */
static void
test_two_archives(void **state)
{
    struct archive a;
    size_t size;
    int wide;

    (void)state;
    for (wide = 0; wide < 2; wide++) {
        build(&a, plain, PLAIN_COUNT, wide != 0);
        size = a.size;
        put(&a, a.data, size);
        expect_failure(&a, CKPT_FORMAT, wide ? a.end64 + 4 : size + a.end,
                       wide ? "zip64 end record of a wrong size"
                            : "does not end at its end record");
    }
}

static void
test_end_records(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.end] = 'X';
    expect_failure(&a, CKPT_FORMAT, a.size, "no zip end record");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.end + 20, 22); /* a comment that is one too */
    put(&a, a.data + a.end, 22);
    sdk_store_le16(a.data + a.size - 2, 0);
    expect_failure(&a, CKPT_FORMAT, a.end, "two zip end records");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.end + 4, 1);
    expect_failure(&a, CKPT_UNSUPPORTED, a.end, "several disks");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.end + 8, 2);
    expect_failure(&a, CKPT_UNSUPPORTED, a.end, "several disks");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le32(a.data + a.end + 16, (uint32_t)a.end);
    expect_failure(&a, CKPT_FORMAT, a.end, "beyond its end record");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le32(a.data + a.end + 8, 0x50005);
    expect_failure(&a, CKPT_FORMAT, a.end, "more members");
}

static void
test_wide_end_records(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, true);
    sdk_store_le64(a.data + a.end64 + 48, a.directory + 1);
    expect_failure(&a, CKPT_FORMAT, a.end64, "disagree");
    build(&a, plain, PLAIN_COUNT, true);
    a.data[a.end64] = 'X';
    expect_failure(&a, CKPT_FORMAT, a.end64, "no zip64 end record");
    build(&a, plain, PLAIN_COUNT, true);
    sdk_store_le64(a.data + a.locator + 8, UINT64_MAX);
    expect_failure(&a, CKPT_FORMAT, a.locator, "elsewhere");
    build(&a, plain, PLAIN_COUNT, true);
    sdk_store_le64(a.data + a.end64 + 4, UINT64_MAX);
    expect_failure(&a, CKPT_FORMAT, a.end64 + 4, "wrong size");
    build(&a, plain, PLAIN_COUNT, true);
    sdk_store_le32(a.data + a.locator + 16, 2);
    expect_failure(&a, CKPT_UNSUPPORTED, a.locator, "several disks");
    build(&a, plain, PLAIN_COUNT, true);
    memset(a.data + a.end + 8, 0xff, 12);
    sdk_store_le64(a.data + a.end64 + 24, UINT64_MAX);
    sdk_store_le64(a.data + a.end64 + 32, UINT64_MAX);
    expect_failure(&a, CKPT_FORMAT, a.end64, "more members");
}

static void
test_entries(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.entries[1]] = 'X';
    expect_failure(&a, CKPT_FORMAT, a.entries[1], "no zip directory entry");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.entries[2] + 28, 8);
    expect_failure(&a, CKPT_FORMAT, a.entries[2], "beyond the directory");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le32(a.data + a.end + 8, 0x20002);
    expect_failure(&a, CKPT_FORMAT, a.entries[2], "behind the last");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.entries[0] + 8, 1);
    expect_failure(&a, CKPT_UNSUPPORTED, a.entries[0], "encrypted");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.entries[0] + 34, 1);
    expect_failure(&a, CKPT_UNSUPPORTED, a.entries[0], "several disks");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le32(a.data + a.entries[0] + 20, 4);
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "two sizes");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le32(a.data + a.entries[0] + 42, (uint32_t)a.directory);
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "beyond the directory");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.entries[0] + 46] = 0;
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "zero byte");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.entries[0] + 10, 8);
    sdk_store_le32(a.data + a.entries[0] + 24, 1 << 20);
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "larger than deflate");
}

/* One entry with a name that takes the room of the two after it. */
static void
test_long_name(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.entries[0] + 28, 100);
    memset(a.data + a.entries[0] + 46, 'x', 100);
    expect_failure(&a, CKPT_FORMAT, a.entries[0] + 146, "leave no room");
}

static void
test_wide_entries(void **state)
{
    struct member wide = plain[0];
    struct archive a;

    (void)state;
    wide.zip64 = true;
    build(&a, &wide, 1, true);
    sdk_store_le16(a.data + a.entries[0] + 46 + 10 + 2, 20);
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "too short");
    build(&a, &wide, 1, true);
    sdk_store_le64(a.data + a.entries[0] + 46 + 10 + 4 + 16, UINT64_MAX - 3);
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "beyond the directory");
}

/* A member is found by its own case only, and '[' is no capital '{'. */
static void
test_case(void **state)
{
    static const struct member capital[] = {
        {.name = "A/B"}, {.name = "@["}, {.name = "`{"}};
    struct false_host host;
    struct sdk_zip zip = {0};
    struct archive a;

    (void)state;
    build(&a, capital, 3, false);
    assert_status(open_archive(&host, &a, &zip), CKPT_OK);
    assert_ptr_equal(sdk_zip_find(&zip, "A/B", 3), &zip.members[0]);
    assert_null(sdk_zip_find(&zip, "a/b", 3));
    assert_ptr_equal(sdk_zip_find(&zip, "`{", 2), &zip.members[2]);
    sdk_zip_close(&host.table, &zip);
    assert_int_equal(host.live_count, 0);
}

static void
test_names(void **state)
{
    static const struct member twice[] = {
        {.name = "a/data.pkl"}, {.name = "a/x"}, {.name = "A/Data.PKL"}};
    static const struct member mixed[] = {{.name = "aB"}, {.name = "Ab"}};
    static const struct member nameless[] = {{.name = ""}};
    struct archive a;

    (void)state;
    build(&a, twice, 3, false);
    expect_failure(&a, CKPT_FORMAT, a.headers[2], "two members");
    build(&a, mixed, 2, false);
    expect_failure(&a, CKPT_FORMAT, a.headers[1], "two members");
    build(&a, nameless, 1, false);
    expect_failure(&a, CKPT_FORMAT, a.entries[0], "without a name");
}

static void
test_headers(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[0]] = 'X';
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "no local header");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[0] + 30] = 'X';
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "another name");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[0] + 8] = 8;
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "another method");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[0] + 6] = 1;
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "encrypted");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[0] + 22] = 4;
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "another size");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[0] + 14] = 4;
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "another crc");
    build(&a, plain, PLAIN_COUNT, false);
    a.data[a.headers[1] + 22] = 9; /* a descriptor is no excuse */
    expect_failure(&a, CKPT_FORMAT, a.headers[1], "another size");
}

static void
test_overlaps(void **state)
{
    struct archive a;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.headers[0] + 28, 1); /* data one byte later */
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "overlaps");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le32(a.data + a.entries[1] + 42, (uint32_t)a.headers[0]);
    expect_failure(&a, CKPT_FORMAT, a.headers[0], "overlaps");
    build(&a, plain, PLAIN_COUNT, false);
    sdk_store_le16(a.data + a.headers[2] + 28, 1);
    expect_failure(&a, CKPT_FORMAT, a.headers[2], "overlaps");
}

/* No truncation opens, and none does harm. */
static void
test_truncated(void **state)
{
    struct archive a;
    size_t whole;

    (void)state;
    build(&a, plain, PLAIN_COUNT, true);
    whole = a.size;
    for (a.size = 0; a.size < whole; a.size++) {
        struct false_host host;
        struct sdk_zip zip = {0};

        assert_status(open_archive(&host, &a, &zip), CKPT_FORMAT);
        assert_int_equal(host.failure_count, 1);
        assert_int_equal(host.live_count, 0);
    }
}

/* Every byte turned round: opens or fails, and never does harm. */
static void
test_damaged(void **state)
{
    struct archive a;
    size_t at;

    (void)state;
    build(&a, plain, PLAIN_COUNT, true);
    for (at = 0; at < a.size; at++) {
        struct false_host host;
        struct sdk_zip zip = {0};

        a.data[at] ^= 0xff;
        if (open_archive(&host, &a, &zip) == CKPT_OK)
            sdk_zip_close(&host.table, &zip);
        else
            assert_int_equal(host.failure_count, 1);
        assert_int_equal(host.live_count, 0);
        a.data[at] ^= 0xff;
    }
}

static void
test_memory(void **state)
{
    struct ckpt_source source;
    struct archive a;
    size_t at;
    int status = CKPT_MEMORY;

    (void)state;
    build(&a, plain, PLAIN_COUNT, false);
    source.data = a.data;
    source.size_bytes = a.size;
    for (at = 1; status != CKPT_OK; at++) {
        struct false_host host;
        struct sdk_zip zip = {0};

        false_host_init(&host);
        host.fail_at = at;
        status = sdk_zip_open(&host.table, &source, &zip);
        if (status != CKPT_OK)
            assert_status(status, CKPT_MEMORY);
        sdk_zip_close(&host.table, &zip);
        assert_int_equal(host.live_count, 0);
    }
    assert_int_equal(at, 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_zip64),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_comment_and_trailing),
        cmocka_unit_test(test_unordered),
        cmocka_unit_test(test_end_records),
        cmocka_unit_test(test_two_archives),
        cmocka_unit_test(test_wide_end_records),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_wide_entries),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
