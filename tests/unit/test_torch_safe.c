/* SPDX-License-Identifier: MIT
 *
 * Which globals torch holds for safe: names at both ends of each list, and
 * near misses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "torch_safe.h"

static void
test_allowed(void **state)
{
    (void)state;
    assert_int_equal(sdk_torch_safe("_codecs", "encode"), SDK_TORCH_ALLOWED);
    assert_int_equal(sdk_torch_safe("torch", "uint8"), SDK_TORCH_ALLOWED);
    assert_int_equal(sdk_torch_safe("torch._utils", "_rebuild_tensor"),
                     SDK_TORCH_ALLOWED);
    assert_int_equal(sdk_torch_safe("torch._utils", "_rebuild_tensor_v3"),
                     SDK_TORCH_ALLOWED);
}

static void
test_harmless(void **state)
{
    (void)state;
    assert_int_equal(sdk_torch_safe("argparse", "Namespace"),
                     SDK_TORCH_HARMLESS);
    assert_int_equal(sdk_torch_safe("uuid", "UUID"), SDK_TORCH_HARMLESS);
}

static void
test_unknown(void **state)
{
    static const char *const names[][2] = {
        {"os", "system"},
        {"builtins", "eval"},
        {"builtins", "getattr"},
        {"torch", "load"},
        {"torch", ""},
        {"", "uint8"},
        {"", ""},
        {"torch.uint8", ""},
        {"torch", "uint88"},
        {"torch", "uint"},
        {"torch.uint8x", "y"},
        {"zzz", "zzz"},
        {"collections", "Count"},
        {"torch.storage", "_load_from_bytes"}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(sdk_torch_safe(names[i][0], names[i][1]),
                         SDK_TORCH_UNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_allowed),
                                       cmocka_unit_test(test_harmless),
                                       cmocka_unit_test(test_unknown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
