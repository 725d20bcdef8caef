/* SPDX-License-Identifier: MIT
 *
 * A pickle machine that runs nothing: bytes to a graph of inert nodes. It
 * knows the opcodes of protocols 0 to 5 and no class, function or module:
 * what a pickle names stays a name, what it calls stays a call.
 *
 * A node is spoken of by its number, dense from 0, which serves as an index
 * of side tables too. A node may be met twice and may contain itself, as the
 * objects of the pickle do. All are constant once the pickle is parsed and
 * live until it is freed. Text is borrowed from the input, which must live as
 * long. Nodes are small, because a pickle has millions.
 */
#ifndef SDK_PICKLE_READ_H
#define SDK_PICKLE_READ_H

#include "ckpt/host.h"

enum sdk_pickled_kind {
    SDK_PICKLED_NONE = 0,
    SDK_PICKLED_BOOL,
    SDK_PICKLED_INT,
    SDK_PICKLED_WIDE, /* text: two's complement, low byte first, in shortest
                         form more than 8 bytes */
    SDK_PICKLED_FLOAT,
    SDK_PICKLED_TEXT, /* UTF-8 as the pickle has it; not checked */
    SDK_PICKLED_STR,  /* a Python 2 str: text or bytes, nobody knows */
    SDK_PICKLED_BYTES,
    SDK_PICKLED_BYTEARRAY,
    SDK_PICKLED_TUPLE,
    SDK_PICKLED_LIST,
    SDK_PICKLED_SET,
    SDK_PICKLED_FROZENSET,
    SDK_PICKLED_DICT, /* its list: key, value, key, value */
    SDK_PICKLED_GLOBAL,
    SDK_PICKLED_CALL,      /* callee(*args): REDUCE, INST, OBJ */
    SDK_PICKLED_NEW,       /* callee.__new__(callee, *args, **kwargs) */
    SDK_PICKLED_PERSISTENT /* what the container is to look up */
};

/* No node. */
#define SDK_PICKLED_NOTHING UINT32_MAX

struct sdk_pickled_node {
    uint8_t kind;  /* enum sdk_pickled_kind */
    uint8_t flags; /* the machine's own */
    uint32_t byte; /* of the opcode that made it, in the input; 0 for None,
                      True, False, () and ints below 256, which are shared */
    union {
        bool truth;
        int64_t integer;
        double real;
        struct {
            uint32_t first, second;
        } pair; /* the machine's own */
    } as;
};

struct sdk_pickled {
    uint32_t root;
    uint32_t node_count;
    uint32_t protocol; /* as PROTO says; 0 if it is not there */
    size_t end_bytes;  /* the position after STOP */
    /* The machine's own; see the functions below. */
    struct sdk_pickled_node *nodes;
    uint32_t *refs;
    struct sdk_pickled_extra *extras;
    char *pool;
    const char *input;
    struct {
        uint64_t origin;
        const struct sdk_pickle_gap *gaps;
        size_t gap_count;
    } map;
};

/* An opcode of outlines: kind, then offset and size in the file, 8 bytes
 * each. */
#define SDK_PICKLE_LEFT 0xf0

struct sdk_pickle_gap {
    uint32_t at;         /* from here on */
    uint64_t left_bytes; /* so many bytes of the file are not in the data */
};

struct sdk_pickled_input {
    const void *data;
    size_t size_bytes;
    /* Where the data starts in the file, for messages; or CKPT_NOWHERE. */
    uint64_t origin;
    /* Places where the data is shorter than the file, by the position in the
     * data; see pickle_outline.h. */
    const struct sdk_pickle_gap *gaps;
    size_t gap_count;
    bool outlined; /* the data is an outline and may say what was left */
    /* The data may be the beginning of more: running out of it is CKPT_END
     * without a message, for the caller to come back with more. */
    bool partial;
};

/* Parses up to STOP. CKPT_FORMAT: not a pickle, or one that breaks off;
 * CKPT_UNSUPPORTED: a protocol or an opcode that cannot be read alone
 * (extension codes, out-of-band buffers); CKPT_LIMIT: absurd memo numbers. */
int sdk_pickled_parse(const struct ckpt_host *host,
                      const struct sdk_pickled_input *input,
                      struct sdk_pickled *pickled);

/* Frees all nodes. A zeroed struct is fine. */
void sdk_pickled_fini(const struct ckpt_host *host,
                      struct sdk_pickled *pickled);

/* ---- What a node holds. None of these fails or costs anything ---- */

static inline const struct sdk_pickled_node *
sdk_pickled_at(const struct sdk_pickled *pickled, uint32_t ref)
{
    return &pickled->nodes[ref];
}

static inline uint32_t
sdk_pickled_kind(const struct sdk_pickled *pickled, uint32_t ref)
{
    return pickled->nodes[ref].kind;
}

/* Text, str, bytes, bytearray, wide int. No NUL follows. */
struct ckpt_text sdk_pickled_text(const struct sdk_pickled *pickled,
                                  uint32_t ref);

/* Whether the text was left in the file, by an outline: where it is. Its text
 * above is empty. */
bool sdk_pickled_left(const struct sdk_pickled *pickled, uint32_t ref,
                      uint64_t *offset, uint64_t *size_bytes);

/* Whether the node is text, of Python 2 or 3, that was not left in the file:
 * what serves as a name or a key by itself. */
bool sdk_pickled_is_words(const struct sdk_pickled *pickled, uint32_t ref);

/* Where text that was not left there is in the file, or CKPT_NOWHERE. */
uint64_t sdk_pickled_text_place(const struct sdk_pickled *pickled,
                                uint32_t ref);

/* The position in the file of a position in the data, or CKPT_NOWHERE. */
uint64_t sdk_pickled_place(const struct sdk_pickled *pickled, uint64_t at);

/* The NUL-terminated module and name of a global. */
const char *sdk_pickled_module(const struct sdk_pickled *pickled, uint32_t ref);
const char *sdk_pickled_name(const struct sdk_pickled *pickled, uint32_t ref);

struct sdk_pickled_list {
    const uint32_t *refs;
    uint32_t count;
};

/* Tuple, list, set, frozenset; dict: key, value, key, value. */
struct sdk_pickled_list sdk_pickled_list(const struct sdk_pickled *pickled,
                                         uint32_t ref);

/* A call or a new object, and what it was given after it was made. */
struct sdk_pickled_call {
    uint32_t callee;               /* a global, call, new or persistent */
    uint32_t args;                 /* a tuple */
    uint32_t kwargs;               /* NEWOBJ_EX: a dict; or NOTHING */
    uint32_t state;                /* BUILD; or NOTHING */
    struct sdk_pickled_list items; /* APPEND, APPENDS, ADDITEMS */
    struct sdk_pickled_list pairs; /* SETITEM, SETITEMS: key, value, ... */
};

struct sdk_pickled_call sdk_pickled_call(const struct sdk_pickled *pickled,
                                         uint32_t ref);

/* What a persistent node is the name of. */
uint32_t sdk_pickled_pid(const struct sdk_pickled *pickled, uint32_t ref);

/* Whether the node is text, of Python 2 or 3, that equals `text`. */
bool sdk_pickled_is_text(const struct sdk_pickled *pickled, uint32_t ref,
                         const char *text);

#endif
