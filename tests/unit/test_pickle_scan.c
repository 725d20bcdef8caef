/* SPDX-License-Identifier: MIT
 *
 * What the scanner of pickles thinks of names, and how it looks at bytes
 * that no case can hold: packed ones that unpack to very many.
 */
#include "unit.h"

#include <zlib.h>

#include "false_host.h"
#include "plugins/scanners/pickle-scan/pickle_scan_names.h"
#include "plugins/scanners/pickle-scan/pickle_scan_sweep.h"

struct fixture {
    struct false_host host;
    size_t counts[CKPT_SEVERITY_DANGEROUS + 1];
    char last[200]; /* text of the last finding that is no note */
};

static int
keep(const struct ckpt_host *host, const struct ckpt_finding *finding,
     size_t finding_bytes)
{
    struct fixture *fixture = host->hub;

    assert_int_equal(finding_bytes, sizeof *finding);
    fixture->counts[finding->severity]++;
    if (finding->severity != CKPT_SEVERITY_NOTE && finding->text != NULL)
        snprintf(fixture->last, sizeof fixture->last, "%s", finding->text);
    return CKPT_OK;
}

static int
setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    false_host_init(&fixture->host);
    fixture->host.table.finding_add = keep;
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture->host.live_count, 0);
    free(fixture);
    return 0;
}

static const struct ckpt_host *
host_of(struct fixture *fixture)
{
    /* The false host finds itself by its table; here it is the first member
     * of the fixture. */
    return &fixture->host.table;
}

/* ---- Names ---- */

static const struct {
    const char *module, *name;
    uint32_t severity;
} judged[] = {
    {"collections", "OrderedDict", CKPT_SEVERITY_NOTE},
    {"__builtin__", "set", CKPT_SEVERITY_NOTE},
    {"copy_reg", "_reconstructor", CKPT_SEVERITY_NOTE},
    {"torch", "FloatStorage", CKPT_SEVERITY_NOTE},
    {"torch.nn.modules.linear", "Linear", CKPT_SEVERITY_NOTE},
    {"torch.jit._pickle", "build_intlist", CKPT_SEVERITY_NOTE},
    {"__torch__.a.___torch_mangle_0", "B", CKPT_SEVERITY_NOTE},
    {"mine", "Thing", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules.linear", "linear", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules_mine", "Thing", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules.mine", "Thing", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules.linear.mine", "Linear", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules.linear", "Lin", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules.linear", "Identity Linear", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.nn.modules.linear", "", CKPT_SEVERITY_SUSPICIOUS},
    {"osmosis", "system", CKPT_SEVERITY_SUSPICIOUS},
    {"uuid", "UUID", CKPT_SEVERITY_SUSPICIOUS},
    {"types", "SimpleNamespace", CKPT_SEVERITY_SUSPICIOUS},
    {"uuid", "_get_command_stdout", CKPT_SEVERITY_DANGEROUS},
    {"os", "system", CKPT_SEVERITY_DANGEROUS},
    {"os.path", "join", CKPT_SEVERITY_DANGEROUS},
    {"__builtin__", "eval", CKPT_SEVERITY_DANGEROUS},
    {"__builtins__", "exec", CKPT_SEVERITY_DANGEROUS},
    {"cPickle", "loads", CKPT_SEVERITY_DANGEROUS},
    {"torch", "hub.load", CKPT_SEVERITY_DANGEROUS},
    {"torch", "os", CKPT_SEVERITY_DANGEROUS},
    {"torch", "hub", CKPT_SEVERITY_DANGEROUS},
    {"torch.jit._pickle", "build_intlist.__globals__", CKPT_SEVERITY_DANGEROUS},
    {"torch.nn.modules.linear", "Linear.__init__", CKPT_SEVERITY_DANGEROUS},
    {"random", "_os.system", CKPT_SEVERITY_DANGEROUS},
    {"a.b", "c.d.subprocess.run", CKPT_SEVERITY_DANGEROUS},
    {"collections", "OrderedDict.__class__", CKPT_SEVERITY_DANGEROUS},
    {"", "", CKPT_SEVERITY_SUSPICIOUS},
    {".os", ".system", CKPT_SEVERITY_SUSPICIOUS},
    {"aaa", "a", CKPT_SEVERITY_SUSPICIOUS},
    {"zzz", "z", CKPT_SEVERITY_SUSPICIOUS},
    {"cod", "x", CKPT_SEVERITY_SUSPICIOUS},
    {"codeops", "x", CKPT_SEVERITY_SUSPICIOUS},
    {"_aix_support", "x", CKPT_SEVERITY_DANGEROUS},
    {"zipimport", "x", CKPT_SEVERITY_DANGEROUS},
    {"IPython", "x", CKPT_SEVERITY_DANGEROUS},
    {"numpy.ctypeslib", "x", CKPT_SEVERITY_DANGEROUS},
    {"torch.utils.model_zoo.x", "y", CKPT_SEVERITY_DANGEROUS},
    {"torch.utils.data.datapipes.utils", "decoder.x", CKPT_SEVERITY_DANGEROUS},
    {"_io", "FileIO", CKPT_SEVERITY_DANGEROUS},
    {"torch.storage", "_load_from_bytes.x", CKPT_SEVERITY_DANGEROUS},
    {"torch.storage", "_load_from_bytesx", CKPT_SEVERITY_SUSPICIOUS},
    {"torch.distributed.checkpoint.metadata", "Metadata", CKPT_SEVERITY_NOTE},
    {"torch.distributed.checkpoint.metadata", "Metadata.x",
     CKPT_SEVERITY_SUSPICIOUS},
};

static void
test_names(void **state)
{
    const char *why = NULL;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT_OF(judged); i++) {
        uint32_t got =
            pickle_scan_judge(judged[i].module, judged[i].name, true, &why);

        if (got != judged[i].severity)
            fail_msg("%s.%s: %u is not %u", judged[i].module, judged[i].name,
                     got, judged[i].severity);
        assert_non_null(why);
    }
    assert_int_equal(pickle_scan_judge("__torch__.a", "B", false, &why),
                     CKPT_SEVERITY_SUSPICIOUS);
}

static void
test_identifiers(void **state)
{
    (void)state;
    assert_true(pickle_scan_identifier("torch._utils"));
    assert_true(pickle_scan_identifier("a1.b2"));
    assert_true(pickle_scan_identifier("\xc3\xa4"));
    assert_false(pickle_scan_identifier(""));
    assert_false(pickle_scan_identifier("a."));
    assert_false(pickle_scan_identifier(".a"));
    assert_false(pickle_scan_identifier("a..b"));
    assert_false(pickle_scan_identifier("1a"));
    assert_false(pickle_scan_identifier("a b"));
    assert_false(pickle_scan_identifier("a/b"));
}

/* ---- Bytes ---- */

static int
sweep(struct fixture *fixture, const void *bytes, size_t size_bytes,
      bool *known)
{
    struct pickle_scan_view view = {
        .host = host_of(fixture), .memory = bytes, .size_bytes = size_bytes};

    return pickle_scan_sweep(&view, PICKLE_SCAN_FILE, 0, known);
}

/* Packs a pickle that says None after very many NONE and POP. */
static unsigned char *
pack(size_t pairs, size_t *size_bytes)
{
    size_t size = 2 * pairs + 4;
    uLongf room = compressBound((uLong)size);
    unsigned char *plain = malloc(size), *packed = malloc(room);

    assert_non_null(plain);
    assert_non_null(packed);
    memset(plain, 'N', size);
    plain[0] = 0x80;
    plain[1] = 2;
    for (size_t i = 0; i < pairs; i++)
        plain[3 + 2 * i] = '0';
    plain[size - 1] = '.';
    assert_int_equal(compress(packed, &room, plain, (uLong)size), Z_OK);
    /* zlib's 78 9c is that of compress. */
    free(plain);
    *size_bytes = room;
    return packed;
}

static void
test_unpacked(void **state)
{
    struct fixture *fixture = *state;
    size_t size_bytes;
    unsigned char *packed = pack(300000, &size_bytes);
    bool known = false;

    assert_status(sweep(fixture, packed, size_bytes, &known), CKPT_OK);
    assert_true(known);
    assert_int_equal(fixture->counts[CKPT_SEVERITY_SUSPICIOUS], 0);
    free(packed);
}

static void
test_unpacked_too_large(void **state)
{
    struct fixture *fixture = *state;
    size_t size_bytes;
    unsigned char *packed = pack((size_t)40 << 20, &size_bytes);
    bool known = false;

    assert_status(sweep(fixture, packed, size_bytes, &known), CKPT_OK);
    assert_true(known);
    assert_true(fixture->counts[CKPT_SEVERITY_SUSPICIOUS] > 0);
    assert_contains(fixture->last, "more than 64 MiB");
    assert_true(fixture->host.peak_bytes < (size_t)200 << 20);
    free(packed);
}

/* Each cut of a packed pickle ends in a finding or in a file that nobody
 * knows, never in clean. */
static void
test_unpacked_cut(void **state)
{
    struct fixture *fixture = *state;
    size_t size_bytes, i;
    unsigned char *packed = pack(1000, &size_bytes);

    for (i = 0; i + 4 < size_bytes; i++) {
        bool known = false;

        fixture->counts[CKPT_SEVERITY_SUSPICIOUS] = 0;
        assert_status(sweep(fixture, packed, i, &known), CKPT_OK);
        assert_true(!known || fixture->counts[CKPT_SEVERITY_SUSPICIOUS] > 0);
    }
    free(packed);
}

static void
test_no_memory(void **state)
{
    static const char pickle[] =
        "\x80\2cposix\nsystem\n(X\2\0\0\0idtR0]q\1h\1r\0\0\0\0\1a.";
    struct fixture *fixture = *state;
    size_t i;
    bool known = false;
    int status = CKPT_MEMORY;

    for (i = 1; status != CKPT_OK; i++) {
        false_host_clear(&fixture->host);
        fixture->host.allocations = 0;
        fixture->host.fail_at = i;
        status = sweep(fixture, pickle, sizeof pickle - 1, &known);
        assert_true(status == CKPT_OK || status == CKPT_MEMORY);
        assert_int_equal(fixture->host.live_count, 0);
    }
    assert_true(i > 5);
    assert_true(fixture->counts[CKPT_SEVERITY_DANGEROUS] > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_identifiers),
        cmocka_unit_test_setup_teardown(test_unpacked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unpacked_too_large, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_unpacked_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
