/* SPDX-License-Identifier: MIT
 *
 * Buffered output to a file descriptor or to memory. Errors are kept until
 * someone asks, so that every line need not: nothing is written after the
 * first one.
 */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_out {
    int fd;    /* -1: memory, which grows */
    int error; /* errno of the first failure, or 0 */
    bool terminal;
    char *data;
    size_t size_bytes, capacity_bytes;
};

/* No failure: an error shows at the first write. */
void cli_out_init(struct cli_out *out, int fd);

/* Frees the memory; what was not flushed is lost. */
void cli_out_fini(struct cli_out *out);

/* Hands the bytes to the descriptor. Returns the errno of the first failure
 * of this output ever, or 0. */
int cli_out_flush(struct cli_out *out);

void cli_out_bytes(struct cli_out *out, const void *bytes, size_t size_bytes);
void cli_out_char(struct cli_out *out, char c);
void cli_out_string(struct cli_out *out, const char *text);
void cli_out_u64(struct cli_out *out, uint64_t number);
void cli_out_i64(struct cli_out *out, int64_t number);
void cli_out_hex(struct cli_out *out, const void *bytes, size_t size_bytes);
void cli_out_base64(struct cli_out *out, const void *bytes, size_t size_bytes);
void cli_out_fill(struct cli_out *out, char c, size_t count);

/* The shortest decimal text that reads back as the same number; "nan",
 * "inf", "-inf" for those. */
void cli_out_double(struct cli_out *out, double number);

/* Bytes for people: "46.8 MB"; below 10,000 exact: "512 bytes". */
void cli_out_size(struct cli_out *out, uint64_t size_bytes);

/* Of a memory output: its text, NUL-ended, or "" if memory ran out. It lives
 * until the next call on this output. */
const char *cli_out_text(struct cli_out *out);

/* Of a memory output: forgets the text, keeps the memory. */
void cli_out_clear(struct cli_out *out);

#endif
