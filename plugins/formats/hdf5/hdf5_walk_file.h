/* SPDX-License-Identifier: MIT
 *
 * What the files of the walk share: the file and its bounds, runs of bytes
 * that know their place, and the messages of one object header.
 *
 * Addresses are those of the file, from its signature on. Functions return
 * CKPT_END where the file leaves the plain subset.
 */
#ifndef HDF5_WALK_FILE_H
#define HDF5_WALK_FILE_H

#include "buffer.h"
#include "endian.h"
#include "hdf5_tree.h"

#define WALK_NOWHERE UINT64_MAX /* HDF5's undefined address */

enum hdf5_message_type {
    HDF5_MESSAGE_SPACE = 0x01,
    HDF5_MESSAGE_LINK_INFO = 0x02,
    HDF5_MESSAGE_TYPE = 0x03,
    HDF5_MESSAGE_OLD_FILL = 0x04,
    HDF5_MESSAGE_FILL = 0x05,
    HDF5_MESSAGE_LINK = 0x06,
    HDF5_MESSAGE_EXTERNAL = 0x07,
    HDF5_MESSAGE_LAYOUT = 0x08,
    HDF5_MESSAGE_GROUP_INFO = 0x0A,
    HDF5_MESSAGE_FILTERS = 0x0B,
    HDF5_MESSAGE_ATTRIBUTE = 0x0C,
    HDF5_MESSAGE_MORE = 0x10,
    HDF5_MESSAGE_TABLE = 0x11,
    HDF5_MESSAGE_ATTRIBUTE_INFO = 0x15,
    HDF5_MESSAGE_LAST = 0x17
};

struct hdf5_walk {
    const struct ckpt_host *host;
    struct hdf5_tree *tree;
    struct hdf5_object *object;   /* the one that is read */
    uint64_t base;                /* of address 0 in the source */
    uint64_t end;                 /* the first address past the file */
    uint64_t structure_bytes;     /* claimed so far */
    struct sdk_buffer extents[2]; /* struct walk_extent: claims, by use */
    struct sdk_buffer header;     /* the bytes of one object header */
    struct sdk_buffer messages;   /* struct hdf5_message, of the same */
    size_t first[HDF5_MESSAGE_LAST + 1]; /* of a type: index + 1, or 0 */
    struct sdk_buffer names;             /* the local heap of one group */
    struct sdk_buffer nodes;             /* of its B-tree: one level */
    struct sdk_buffer below;             /* uint64_t: what they lead to */
    struct sdk_buffer turns;             /* where each one's part of it is */
    struct sdk_buffer links; /* struct hdf5_found: links to be sorted */
    struct sdk_buffer queue; /* struct hdf5_queued: objects to be read */
    struct sdk_table heaps;  /* objects of global heaps, and collections */
};

struct hdf5_queued {
    uint64_t address;
    struct hdf5_object *object;
};

/* ---- Bounds ---- */

enum walk_use { WALK_STRUCTURE = 0, WALK_DATA };

/* Sorts structs that begin with a uint64_t by that; equal ones keep their
 * order. It is fast where much is in order already. */
int hdf5_sort(const struct ckpt_host *host, struct sdk_buffer *buffer,
              size_t element);

/* Claims a run of the file for one use. CKPT_FORMAT: it is beyond the end, or
 * structures take more than the file has, and so overlap. */
int hdf5_claim(struct hdf5_walk *walk, enum walk_use use, uint64_t address,
               uint64_t size_bytes, const char *what);

/* Refuses claims that overlap. [once, when all is claimed] */
int hdf5_claims_check(struct hdf5_walk *walk);

/* The path of the object that is read, for messages, or NULL. */
const char *hdf5_walk_name(struct hdf5_walk *walk);

/* Claims a structure and borrows its bytes until the next look at the file;
 * at most 1 MiB, CKPT_END for more. */
int hdf5_look(struct hdf5_walk *walk, uint64_t address, uint64_t size_bytes,
              const char *what, const unsigned char **bytes);

/* The same for the parts of what is claimed: what was looked at before. */
int hdf5_look_again(struct hdf5_walk *walk, uint64_t address, size_t size_bytes,
                    const char *what, const unsigned char **bytes);

/* Claims a structure and appends its bytes to a buffer. */
int hdf5_load(struct hdf5_walk *walk, uint64_t address, uint64_t size_bytes,
              const char *what, struct sdk_buffer *buffer);

/* Whether Bob Jenkins' lookup3, with a start of 0, gives that checksum. */
bool hdf5_checksum_holds(const unsigned char *bytes, size_t size_bytes,
                         uint32_t checksum);

/* ---- Runs of bytes ---- */

/* Taking more than there is gives zeros and sets `cut`. */
struct hdf5_run {
    const unsigned char *at;
    size_t left;
    uint64_t address; /* of the whole run, for messages */
    bool cut;
};

static inline const unsigned char *
hdf5_take(struct hdf5_run *run, size_t size_bytes)
{
    const unsigned char *at = run->at;

    if (run->cut || size_bytes > run->left) {
        run->cut = true;
        return NULL;
    }
    run->at += size_bytes;
    run->left -= size_bytes;
    return at;
}

/* An unsigned integer of 1 to 8 bytes. */
static inline uint64_t
hdf5_take_uint(struct hdf5_run *run, size_t size_bytes)
{
    const unsigned char *at = hdf5_take(run, size_bytes);
    uint64_t number = 0;
    size_t i;

    if (at == NULL)
        return 0;
    for (i = size_bytes; i > 0; i--)
        number = number << 8 | at[i - 1];
    return number;
}

static inline uint8_t
hdf5_take_u8(struct hdf5_run *run)
{
    return (uint8_t)hdf5_take_uint(run, 1);
}

static inline uint16_t
hdf5_take_u16(struct hdf5_run *run)
{
    return (uint16_t)hdf5_take_uint(run, 2);
}

static inline uint32_t
hdf5_take_u32(struct hdf5_run *run)
{
    return (uint32_t)hdf5_take_uint(run, 4);
}

static inline uint64_t
hdf5_take_u64(struct hdf5_run *run)
{
    return hdf5_take_uint(run, 8);
}

/* A part of the run as a run of its own. */
static inline struct hdf5_run
hdf5_take_run(struct hdf5_run *run, size_t size_bytes)
{
    struct hdf5_run part = {NULL, 0, run->address, false};

    part.at = hdf5_take(run, size_bytes);
    if (part.at != NULL)
        part.left = size_bytes;
    part.cut = run->cut;
    return part;
}

/* CKPT_FORMAT if the run was cut: `what` is too short. */
int hdf5_run_check(struct hdf5_walk *walk, const struct hdf5_run *run,
                   const char *what);

/* ---- Object headers ---- */

#define HDF5_MESSAGE_SHARED 2 /* a flag: the data are elsewhere */

struct hdf5_message {
    uint16_t type;
    uint16_t order; /* of creation, where tracked */
    uint8_t flags;
    size_t at; /* in hdf5_walk.header */
    size_t size_bytes;
    uint64_t address;
};

/* Reads the header of the object that is read into walk->header and
 * walk->messages, continuations and all. */
int hdf5_header_read(struct hdf5_walk *walk, uint64_t address);

/* The first message of a type, or NULL; the bytes of a message. Both live
 * until the next header is read. */
const struct hdf5_message *hdf5_message_find(const struct hdf5_walk *walk,
                                             uint16_t type);
struct hdf5_run hdf5_message_run(const struct hdf5_walk *walk,
                                 const struct hdf5_message *message);

/* ---- Messages ---- */

int hdf5_walk_space(struct hdf5_walk *walk, struct hdf5_run *run,
                    struct hdf5_space *space);

/* A type, from its message alone. */
int hdf5_walk_type(struct hdf5_walk *walk, struct hdf5_run *run,
                   struct hdf5_type *type);

/* A type that may be that of a committed one, at an address. */
int hdf5_walk_type_shared(struct hdf5_walk *walk, struct hdf5_run *run,
                          struct hdf5_type *type);

/* Strings of a variable length from their references, 16 bytes each; the run
 * has that many. */
int hdf5_walk_texts(struct hdf5_walk *walk, struct hdf5_run *run,
                    uint64_t count, const struct ckpt_text **texts);

/* The committed type, the attributes, the links and the data of the object
 * whose header was read. */
int hdf5_walk_named(struct hdf5_walk *walk, struct hdf5_object *object);
int hdf5_walk_attrs(struct hdf5_walk *walk);
int hdf5_walk_group(struct hdf5_walk *walk);
int hdf5_walk_data(struct hdf5_walk *walk);

int hdf5_walk_table(struct hdf5_walk *walk, const struct hdf5_message *message);

/* A link as it is found; what it points to lives until the group is read. */
struct hdf5_found {
    const char *name;
    size_t name_bytes;
    uint64_t order;     /* of creation, where tracked */
    uint32_t kind;      /* enum hdf5_link_kind */
    uint64_t address;   /* HARD */
    const char *target; /* SOFT, EXTERNAL */
};

/* Adds a link to the group that is read; what it leads to is read later,
 * if it is new. */
int hdf5_walk_link(struct hdf5_walk *walk, const struct hdf5_found *found);

#endif
