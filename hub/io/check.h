/* SPDX-License-Identifier: MIT
 *
 * Checksums over passing bytes.
 */
#ifndef HUB_IO_CHECK_H
#define HUB_IO_CHECK_H

#include "ckpt/sink.h"
#include "hub/core/report.h"

struct hub_check {
    uint32_t kinds; /* CKPT_CHECK_* */
    uint32_t crc32;
    void *sha256; /* of libcrypto */
};

int hub_check_init(struct hub_check *check, struct hub_report *report,
                   uint32_t kinds);
void hub_check_update(struct hub_check *check, const void *bytes,
                      size_t size_bytes);
/* `digest` may be NULL if no SHA-256 is taken. */
void hub_check_finish(struct hub_check *check, unsigned char digest[32]);
void hub_check_fini(struct hub_check *check);

#endif
