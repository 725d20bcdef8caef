/* SPDX-License-Identifier: MIT
 *
 * CRC-32 by libdeflate, SHA-256 by libcrypto.
 */
#include "hub/io/check.h"

#include <libdeflate.h>
#include <openssl/evp.h>
#include <string.h>

int
hub_check_init(struct hub_check *check, struct hub_report *report,
               uint32_t kinds)
{
    memset(check, 0, sizeof *check);
    check->kinds = kinds;
    if ((kinds & CKPT_CHECK_SHA256) == 0)
        return CKPT_OK;
    check->sha256 = EVP_MD_CTX_new();
    if (check->sha256 != NULL &&
        EVP_DigestInit_ex(check->sha256, EVP_sha256(), NULL) == 1)
        return CKPT_OK;
    return hub_fail(report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                    "SHA-256 cannot be started");
}

void
hub_check_update(struct hub_check *check, const void *bytes, size_t size_bytes)
{
    if ((check->kinds & CKPT_CHECK_CRC32) != 0)
        check->crc32 = libdeflate_crc32(check->crc32, bytes, size_bytes);
    if (check->sha256 != NULL)
        EVP_DigestUpdate(check->sha256, bytes, size_bytes);
}

void
hub_check_finish(struct hub_check *check, unsigned char digest[32])
{
    if (check->sha256 != NULL)
        EVP_DigestFinal_ex(check->sha256, digest, NULL);
}

void
hub_check_fini(struct hub_check *check)
{
    EVP_MD_CTX_free(check->sha256);
    check->sha256 = NULL;
}
