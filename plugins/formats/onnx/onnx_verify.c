/* SPDX-License-Identifier: MIT
 *
 * What a model tells twice: the checksum of a file beside it, and the count of
 * values in typed fields, which the shape tells too.
 */
#include "onnx_verify.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "quiet_host.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define SHA1_BYTES 20

static int
find(const struct ckpt_host *host, uint32_t severity, const char *kind,
     const char *name, uint64_t byte, const char *text)
{
    struct ckpt_finding finding = {.severity = severity,
                                   .kind = kind,
                                   .name = name,
                                   .byte = byte,
                                   .text = text};

    return host->finding_add(host, &finding, sizeof finding);
}

/* ---- Checksums ---- */

static int
digest_source(const struct ckpt_host *host, const struct ckpt_source *source,
              EVP_MD_CTX *sha1)
{
    uint64_t size = host->source_size(host, source), at = 0;
    struct ckpt_span span;
    int status = CKPT_OK;

    while (status == CKPT_OK && at < size) {
        size_t piece =
            size - at < PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;

        if (host->cancelled(host))
            return CKPT_CANCELLED;
        status = host->source_peek(host, source, at, piece, &span);
        if (status == CKPT_OK)
            EVP_DigestUpdate(sha1, span.data, piece);
        at += piece;
    }
    return status;
}

/* The SHA-1 in hexadecimal; empty where libcrypto does not take it. */
static int
take_digest(const struct ckpt_host *host, const struct ckpt_source *source,
            char digits[ONNX_SHA1_DIGITS + 1])
{
    EVP_MD_CTX *sha1 = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t i;
    int status = CKPT_OK;

    digits[0] = '\0';
    if (sha1 == NULL || EVP_DigestInit_ex(sha1, EVP_sha1(), NULL) != 1)
        goto out;
    status = digest_source(host, source, sha1);
    if (status != CKPT_OK || EVP_DigestFinal_ex(sha1, digest, NULL) != 1)
        goto out;
    for (i = 0; i < SHA1_BYTES; i++)
        snprintf(digits + 2 * i, 3, "%02x", digest[i]);
out:
    EVP_MD_CTX_free(sha1);
    return status;
}

static int
compare_checksum(const struct ckpt_host *host, const struct onnx_files *files,
                 const struct onnx_checksum *checksum)
{
    const struct ckpt_source *source = files->sources[checksum->file];
    char digits[ONNX_SHA1_DIGITS + 1];
    int status = take_digest(host, source, digits);
    bool same = strcasecmp(digits, checksum->digits) == 0;

    if (status != CKPT_OK)
        return status;
    return find(
        host,
        same || digits[0] == '\0' ? CKPT_SEVERITY_NOTE : CKPT_SEVERITY_WRONG,
        "checksum", host->source_name(host, source), checksum->byte,
        digits[0] == '\0' ? "its SHA-1 cannot be taken here: not checked"
        : same            ? "its SHA-1 is what the model says"
                          : "its SHA-1 is not what the model says");
}

static int
compare_checksums(const struct ckpt_host *host, const struct onnx_files *files)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < files->checksum_count && status == CKPT_OK; i++)
        status = compare_checksum(host, files, &files->checksums[i]);
    if (status == CKPT_OK && files->checksum_count == 0 && files->count > 0)
        status = find(host, CKPT_SEVERITY_NOTE, "checksum", NULL, CKPT_NOWHERE,
                      "no checksums of the files beside it: not checked");
    return status;
}

/* ---- Typed fields ---- */

static int
read_values(const struct ckpt_host *host, const struct onnx *onnx,
            const struct onnx_coded *coded)
{
    struct ckpt_span span;
    void *cursor;
    int status = onnx_cursor_open(host, onnx->source, coded, &cursor);

    if (status != CKPT_OK)
        return status;
    while (status == CKPT_OK)
        status = onnx_cursor_next(host, cursor, &span);
    onnx_cursor_close(host, cursor);
    return status == CKPT_END ? CKPT_OK : status;
}

static int
count_values(const struct ckpt_host *host, const struct onnx *onnx)
{
    struct sdk_quiet_host quiet;
    uint64_t right = 0;
    char text[80];
    size_t i;
    int status = CKPT_OK;

    sdk_quiet_host_init(&quiet, host);
    for (i = 0; i < onnx->coded.count && status == CKPT_OK; i++) {
        const struct onnx_coded *coded = &onnx->coded.all[i];

        quiet.reason[0] = '\0';
        status = read_values(&quiet.table, onnx, coded);
        right += status == CKPT_OK;
        if (status == CKPT_FORMAT)
            status = find(host, CKPT_SEVERITY_WRONG, "values", coded->label,
                          coded->offset, quiet.reason);
        else if (status != CKPT_OK && quiet.reason[0] != '\0')
            status = host->fail(host, status, coded->label, coded->offset, "%s",
                                quiet.reason);
    }
    snprintf(text, sizeof text,
             "%llu tensors in typed fields have the values of their shapes",
             (unsigned long long)right);
    return status == CKPT_OK && right > 0
               ? find(host, CKPT_SEVERITY_NOTE, "values", NULL, CKPT_NOWHERE,
                      text)
               : status;
}

int
onnx_verify(const struct ckpt_host *host, const struct onnx *onnx)
{
    int status = count_values(host, onnx);

    return status == CKPT_OK ? compare_checksums(host, &onnx->files) : status;
}
