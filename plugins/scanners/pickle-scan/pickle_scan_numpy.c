/* SPDX-License-Identifier: MIT
 *
 * An array of NumPy on its own: one of objects is a pickle behind a header.
 *
 *   0  93 "NUMPY"
 *   6  version, two bytes
 *   8  size of the header: uint16 in version 1, else uint32
 *   .  the header, a Python dict as text
 *   .  the data
 */
#include <string.h>

#include "endian.h"
#include "pickle_scan_sweep.h"

#define HEADER_MAX 4096

/* Whether the dtype has an object in it. The header is Python text; a quoted
 * O, or one after a byte order, is the code of objects. */
static bool
holds_objects(const char *header)
{
    const char *o = strchr(header, 'O');

    for (; o != NULL; o = strchr(o + 1, 'O'))
        if (o > header && strchr("'\"|<>=", o[-1]) != NULL)
            return true;
    return false;
}

int
pickle_scan_numpy(const struct pickle_scan_view *view, unsigned depth,
                  bool *known)
{
    unsigned char start[12];
    char header[HEADER_MAX + 1];
    size_t got = 0;
    uint64_t at, size;
    int status = pickle_scan_copy(view, 0, start, sizeof start, &got);

    if (status != CKPT_OK || got < sizeof start ||
        memcmp(start, "\x93NUMPY", 6) != 0)
        return status;
    at = start[6] > 1 ? 12 : 10;
    size = start[6] > 1 ? sdk_load_le32(start + 8) : sdk_load_le16(start + 8);
    status = pickle_scan_copy(
        view, at, header, size < HEADER_MAX ? (size_t)size : HEADER_MAX, &got);
    if (status != CKPT_OK)
        return status;
    header[got] = '\0';
    *known = true;
    if (!holds_objects(header))
        return pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                                "an array of numbers");
    status = pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                              "an array of objects, which is a pickle");
    if (status == CKPT_OK)
        status = pickle_scan_sequence(view, at + size, PICKLE_SCAN_FILE, depth,
                                      known);
    return status;
}
