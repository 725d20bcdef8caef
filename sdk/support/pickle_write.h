/* SPDX-License-Identifier: MIT
 *
 * Emits a pickle of protocol 2, opcode by opcode, in the form that CPython
 * gives it. It knows opcodes and the memo and nothing of what they build.
 *
 * A function that cannot go on says why through host->fail and keeps the
 * status in `status`; all later calls do nothing. So a caller checks once, at
 * the end.
 */
#ifndef SDK_PICKLE_WRITE_H
#define SDK_PICKLE_WRITE_H

#include <stdbool.h>

#include "buffer.h"
#include "hash_table.h"

/* The opcodes that callers write by sdk_pickler_op. */
enum sdk_pickler_op {
    SDK_OP_MARK = '(',
    SDK_OP_EMPTY_TUPLE = ')',
    SDK_OP_STOP = '.',
    SDK_OP_POP = '0',
    SDK_OP_POP_MARK = '1',
    SDK_OP_NONE = 'N',
    SDK_OP_BINPERSID = 'Q',
    SDK_OP_REDUCE = 'R',
    SDK_OP_EMPTY_LIST = ']',
    SDK_OP_APPEND = 'a',
    SDK_OP_BUILD = 'b',
    SDK_OP_GLOBAL = 'c', /* then two lines */
    SDK_OP_APPENDS = 'e',
    SDK_OP_SETITEM = 's',
    SDK_OP_TUPLE = 't',
    SDK_OP_SETITEMS = 'u',
    SDK_OP_EMPTY_DICT = '}',
    SDK_OP_NEWOBJ = 0x81,
    SDK_OP_TUPLE1 = 0x85,
    SDK_OP_TUPLE2 = 0x86,
    SDK_OP_TUPLE3 = 0x87,
    SDK_OP_NEWTRUE = 0x88,
    SDK_OP_NEWFALSE = 0x89
};

/* How many items go between one MARK and its APPENDS or SETITEMS. */
#define SDK_PICKLER_BATCH 1000

/* A string or global that is one object however often it is written: the
 * first time in full, later by its place in the memo. */
struct sdk_pickler_word {
    const char *text; /* of a global: module and name, a line each */
    size_t size_bytes;
    char *lines;   /* the text of a global, which is the word's own */
    uint32_t memo; /* its place and one; 0: not written yet */
};

struct sdk_pickler {
    const struct ckpt_host *host;
    struct sdk_buffer out;
    int status;         /* CKPT_OK, or why the pickle is of no use */
    bool has_real;      /* a float was written */
    bool has_pop;       /* and what drops a tuple that was met again */
    bool has_long_wide; /* and an int of 256 bytes or more */
    uint32_t memo_count;
    struct sdk_pickler_word *words;
    uint32_t word_count, word_capacity;
    struct sdk_table strings, globals; /* numbers of words, by text */
};

/* Begins a pickle: writes PROTO. */
void sdk_pickler_init(struct sdk_pickler *pickle, const struct ckpt_host *host);

/* Releases all memory, the bytes too. */
void sdk_pickler_fini(struct sdk_pickler *pickle);

/* Says why the pickle cannot be, unless it failed already. */
void sdk_pickler_fail(struct sdk_pickler *pickle, int status, const char *what);

/* Bytes as they are. */
void sdk_pickler_bytes(struct sdk_pickler *pickle, const void *bytes,
                       size_t size_bytes);

/* One opcode of enum sdk_pickler_op. */
void sdk_pickler_op(struct sdk_pickler *pickle, uint32_t op);

void sdk_pickler_bool(struct sdk_pickler *pickle, bool truth);
void sdk_pickler_int(struct sdk_pickler *pickle, int64_t value);

/* An int of any width: two's complement, low byte first. */
void sdk_pickler_wide(struct sdk_pickler *pickle, const void *bytes,
                      size_t size_bytes);

void sdk_pickler_real(struct sdk_pickler *pickle, double value);

/* A string that is not memoised. The text is UTF-8. */
void sdk_pickler_text(struct sdk_pickler *pickle, const char *text,
                      size_t size_bytes);

/* A string whose code points are these bytes; not memoised. */
void sdk_pickler_latin1(struct sdk_pickler *pickle, const void *bytes,
                        size_t size_bytes);

/* Closes a tuple of `count` items, which were written without MARK if there
 * are at most 3 of them, and after one if there are more. */
void sdk_pickler_tuple(struct sdk_pickler *pickle, size_t count);

/* Memoises the top of the stack, and returns its place. */
uint32_t sdk_pickler_put(struct sdk_pickler *pickle);

/* Fetches what was memoised at `place`. */
void sdk_pickler_get(struct sdk_pickler *pickle, uint32_t place);

/* The number of a word. The text of a string is borrowed until fini. */
uint32_t sdk_pickler_string_word(struct sdk_pickler *pickle, const char *text,
                                 size_t size_bytes);
uint32_t sdk_pickler_global_word(struct sdk_pickler *pickle, const char *module,
                                 const char *name);

/* The number of a string that is a word already, or UINT32_MAX. */
uint32_t sdk_pickler_find_string(const struct sdk_pickler *pickle,
                                 const char *text, size_t size_bytes);

/* Writes a word. */
void sdk_pickler_word(struct sdk_pickler *pickle, uint32_t word);

/* Both at once. The names are those of Python 3; what protocol 2 calls by
 * another name is renamed. A name that protocol 2 cannot say fails. */
void sdk_pickler_string(struct sdk_pickler *pickle, const char *text);
void sdk_pickler_global(struct sdk_pickler *pickle, const char *module,
                        const char *name);

#endif
