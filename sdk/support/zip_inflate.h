/* SPDX-License-Identifier: MIT
 *
 * Deflated members, inflated by libzip. It reads the archive through the
 * host's source, never by a path, and must list the same members as our own
 * walk did. An archive of stored members alone never gets here.
 */
#ifndef SDK_ZIP_INFLATE_H
#define SDK_ZIP_INFLATE_H

#include "zip_walk.h"

struct sdk_zip_inflate; /* the archive, as libzip has it open */
struct sdk_zip_stream;  /* one member of it */

/* `zip` and `source` live until the archive is closed. CKPT_FORMAT: libzip
 * cannot open it, or sees other members. */
int sdk_zip_inflate_open(const struct ckpt_host *host,
                         const struct ckpt_source *source,
                         const struct sdk_zip *zip,
                         struct sdk_zip_inflate **inflate);
void sdk_zip_inflate_close(const struct ckpt_host *host,
                           struct sdk_zip_inflate *inflate);

/* Streams may be open side by side and end before their archive. */
int sdk_zip_stream_open(const struct ckpt_host *host,
                        struct sdk_zip_inflate *inflate,
                        const struct sdk_zip_member *member,
                        struct sdk_zip_stream **stream);

/* Fills the buffer, or fails: CKPT_FORMAT if the member is damaged or has
 * fewer bytes. */
int sdk_zip_stream_read(const struct ckpt_host *host,
                        struct sdk_zip_stream *stream, void *buffer,
                        size_t size_bytes);

/* Reads what is left, and fails if the member has more bytes than the
 * directory says or another CRC-32. */
int sdk_zip_stream_finish(const struct ckpt_host *host,
                          struct sdk_zip_stream *stream);

void sdk_zip_stream_close(const struct ckpt_host *host,
                          struct sdk_zip_stream *stream);

#endif
