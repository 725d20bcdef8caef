/* SPDX-License-Identifier: MIT
 *
 * How far elements are from one another.
 */
#ifndef HUB_RUN_DIFF_VALUES_H
#define HUB_RUN_DIFF_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub_values {
    uint32_t first_dtype, second_dtype;
    double absolute_most, relative_most; /* that is tolerated */
    /* What came of it; see ckpt_difference. */
    uint64_t element_count, nan_count;
    double absolute, relative;
};

/* Whether elements of these dtypes are numbers that can be compared. */
bool hub_values_measured(uint32_t first, uint32_t second);

/* Elements at any address, little-endian, as bytes; dtypes that are not
 * measured must be the same. Types below a byte begin with the lowest bit. */
void hub_values_compare(struct hub_values *values, const unsigned char *first,
                        const unsigned char *second, size_t count);

/* The same for a single number. */
bool hub_values_differ(struct hub_values *values, double a, double b);

#endif
