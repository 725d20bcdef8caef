/* SPDX-License-Identifier: MIT
 *
 * Plain text, as it lies beside checkpoints: descriptions, configurations,
 * vocabularies. Nothing of it is run, but for source, and for the layers of
 * code that a configuration of Keras may hold.
 */
#include <string.h>

#include "pickle_scan_sweep.h"
#include "utf8.h"

#define TEXT_MAX (UINT64_C(64) << 20)
#define OVERLAP 64 /* no word that is looked for is longer */

static bool
is_plain(const unsigned char *bytes, size_t size_bytes)
{
    size_t i;

    for (i = 0; i < size_bytes; i++)
        if ((bytes[i] < ' ' && strchr("\t\n\r\f", bytes[i]) == NULL) ||
            bytes[i] == '\0' || bytes[i] == 0x7f)
            return false;
    return true;
}

/* Reads the text through. A code point may lie across two windows, so that
 * of each window only what is whole is looked at. */
static int
read_text(const struct pickle_scan_view *view, bool *plain, bool *layers)
{
    static const char word[] = "\"Lambda\"";
    struct ckpt_span span;
    uint64_t at = 0;

    *plain = true;
    while (*plain) {
        int status = pickle_scan_peek(view, at, 4096, &span);
        size_t whole;

        if (status != CKPT_OK || span.size_bytes == 0)
            return status;
        whole = span.size_bytes;
        if (at + whole < view->size_bytes && whole > OVERLAP)
            whole -= OVERLAP;
        while (whole < span.size_bytes && whole > 1 &&
               (span.data[whole] & 0xc0) == 0x80)
            whole--;
        *plain = is_plain(span.data, whole) && sdk_utf8_valid(span.data, whole);
        *layers = *layers || memmem(span.data, span.size_bytes, word,
                                    sizeof word - 1) != NULL;
        at += whole;
    }
    return CKPT_OK;
}

int
pickle_scan_text_file(const struct pickle_scan_view *view, const char *name,
                      bool *known)
{
    bool plain = false, layers = false;
    size_t length = strlen(name);
    int status;

    if (view->size_bytes == 0 || view->size_bytes > TEXT_MAX)
        return CKPT_OK;
    status = read_text(view, &plain, &layers);
    if (status != CKPT_OK || !plain)
        return status;
    *known = true;
    if (length > 3 && strcmp(name + length - 3, ".py") == 0)
        return pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "code", NULL, 0,
                                "Python source, which some loaders run");
    if (layers)
        return pickle_scan_find(
            view, CKPT_SEVERITY_SUSPICIOUS, "code", NULL, 0,
            "text with a Lambda, in which Keras keeps code");
    return pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                            "plain text");
}
