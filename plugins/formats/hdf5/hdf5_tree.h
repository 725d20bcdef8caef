/* SPDX-License-Identifier: MIT
 *
 * What an HDF5 file holds, told alike by both walks: by the plugin's own and
 * by that of libhdf5. It is a tree of objects under links, with the types,
 * shapes and places of all data sets, and with attributes decoded.
 *
 * All memory of a tree comes from its arena, counted by host->allocate, and
 * lives until hdf5_tree_fini. A walk fills it with the functions at the foot;
 * whatever is read later reads the structs.
 */
#ifndef HDF5_TREE_H
#define HDF5_TREE_H

#include "hash_table.h"

#define HDF5_RANK_MAX 32
#define HDF5_DEPTH_MAX 4096                   /* of groups within groups */
#define HDF5_OBJECTS_MAX (UINT64_C(1) << 24)  /* and as many links */
#define HDF5_VALUE_MAX (UINT64_C(64) << 20)   /* bytes of one attribute */
#define HDF5_UNBACKED_MAX (UINT64_C(4) << 30) /* see hdf5_data_check */
#define HDF5_UNBACKED_RATIO 1000

/* Where an HDF5 file is: a part of a source, the whole one as a rule. All
 * offsets in a tree are those in the source. */
struct hdf5_part {
    const struct ckpt_source *source;
    uint64_t base;       /* of the part's first byte: the user block's */
    uint64_t size_bytes; /* of the part */
};

enum hdf5_class {
    HDF5_NUMBER = 1, /* has a dtype: bool enums, complex compounds too */
    HDF5_ENUM,       /* integers (dtype) with names for some of them */
    HDF5_OPAQUE,     /* size_bytes bytes and a tag */
    HDF5_FIXED,      /* a string of size_bytes bytes, see `padding` */
    HDF5_VARIABLE,   /* a string in the heap */
    HDF5_OTHER       /* what this plugin cannot hold: `other` names it */
};

enum hdf5_padding {
    HDF5_NUL_TERMINATED = 0,
    HDF5_NUL_PADDED,
    HDF5_SPACE_PADDED
};

/* A name of an enum's number. */
struct hdf5_member {
    const char *name;
    int64_t number; /* bits of a uint64_t where the dtype is unsigned */
};

struct hdf5_type {
    uint32_t class;      /* enum hdf5_class */
    uint32_t dtype;      /* NUMBER, ENUM: enum ckpt_dtype; else 0 */
    uint32_t byte_order; /* NUMBER, ENUM: enum ckpt_byte_order */
    uint32_t size_bytes; /* of one element in the file */
    uint32_t padding;    /* FIXED: enum hdf5_padding */
    uint32_t member_count;
    const struct hdf5_member *members; /* ENUM */
    const char *tag;                   /* OPAQUE: "" if there is none */
    const char *other;                 /* OTHER: "a variable-length sequence" */
};

enum hdf5_space_kind { HDF5_SCALAR = 1, HDF5_SIMPLE, HDF5_NULL };

struct hdf5_space {
    uint32_t kind;         /* enum hdf5_space_kind */
    uint32_t rank;         /* 0 unless SIMPLE */
    const uint64_t *shape; /* NULL if the rank is 0 */
    uint64_t count;        /* elements: 1 if SCALAR, 0 if NULL */
};

/* Elements in memory. Text is as the file has it, cut at its padding: UTF-8
 * as a rule, but nobody checked. */
struct hdf5_value {
    struct hdf5_type type;
    struct hdf5_space space;
    const unsigned char *bytes;    /* as in the file; NULL for strings, OTHER */
    const struct ckpt_text *texts; /* strings, `space.count` of them */
};

struct hdf5_attr {
    const char *name;
    struct hdf5_value value;
    struct hdf5_attr *next; /* in the file's order */
};

enum hdf5_place {
    HDF5_SPAN = 1, /* one run of the source, of all elements */
    HDF5_FILL,     /* nowhere yet: every element is the fill value */
    HDF5_INLINE,   /* in the header: copied */
    HDF5_TEXT,     /* strings, read by the walk: see `texts` */
    HDF5_CODED,    /* to be decoded by libhdf5 */
    HDF5_REFUSED   /* elsewhere: `refused` says why it is not followed */
};

struct hdf5_data {
    struct hdf5_type type;
    struct hdf5_space space;
    uint32_t place;             /* enum hdf5_place */
    uint64_t size_bytes;        /* of all elements: count * type.size_bytes */
    uint64_t stored_bytes;      /* CODED: what the file has for it */
    uint64_t offset;            /* SPAN: in the source */
    const unsigned char *bytes; /* INLINE: the elements; FILL: one element, or
                                   NULL, which is zeros */
    const struct ckpt_text *texts; /* TEXT: space.count of them */
    const char *refused;           /* "its data are in other files" */
};

enum hdf5_kind { HDF5_GROUP = 1, HDF5_DATA, HDF5_NAMED_TYPE };

enum hdf5_link_kind {
    HDF5_HARD = 1,
    HDF5_SOFT,    /* `target` is a path in this file */
    HDF5_EXTERNAL /* `target` is a file, for a message alone */
};

struct hdf5_link {
    const char *name; /* one component of a path; not checked for UTF-8 */
    size_t name_bytes;
    uint32_t kind;              /* enum hdf5_link_kind */
    struct hdf5_object *object; /* HARD; else NULL */
    const char *target;         /* SOFT, EXTERNAL */
    struct hdf5_link *next;     /* in the file's order */
};

struct hdf5_object {
    uint32_t kind;    /* enum hdf5_kind */
    uint32_t index;   /* in hdf5_tree.objects, in order of discovery */
    uint64_t address; /* as the file says it: the object's identity */
    uint64_t offset;  /* of its header in the source, for messages */
    /* The first link to it and that link's group; NULL for the root. */
    const struct hdf5_link *link;
    struct hdf5_object *parent;
    struct hdf5_attr *attrs;
    struct hdf5_attr **attrs_end;
    struct hdf5_link *links; /* GROUP */
    struct hdf5_link **links_end;
    struct hdf5_data data; /* DATA; of a NAMED_TYPE the type alone */
    /* Set when names are listed, by hdf5_list.h: the first one. */
    const char *path;
};

struct hdf5_tree {
    const struct ckpt_host *host;
    struct hdf5_part part;
    struct hdf5_object **objects; /* [0] is the root group */
    size_t object_count, object_room;
    uint64_t link_count;
    /* Before the signature, which is where addresses count from; to be set
     * before the first object is added. */
    uint64_t user_block_bytes;
    const char *walk; /* "own" or "libhdf5": who filled it, for messages */
    /* The tree's own. */
    struct sdk_table addresses;
    struct hdf5_block *blocks;
    size_t block_room;
};

void hdf5_tree_init(const struct ckpt_host *host, const struct hdf5_part *part,
                    struct hdf5_tree *tree);

/* Frees everything; a zeroed struct is fine. */
void hdf5_tree_fini(struct hdf5_tree *tree);

/* Zeroed memory of the arena, for structs of 8-byte members. NULL: no memory,
 * and why has been said; return CKPT_MEMORY. */
void *hdf5_tree_hold(struct hdf5_tree *tree, size_t size_bytes);

/* A copy in the arena, with a NUL behind it that is not counted. */
char *hdf5_tree_copy(struct hdf5_tree *tree, const void *bytes,
                     size_t size_bytes);

/* Makes room for so many further objects at once. */
int hdf5_tree_reserve(struct hdf5_tree *tree, size_t count);

/* Finds the object of an address or adds one without kind; `*added` tells
 * which. The first one added is the root. */
int hdf5_tree_object(struct hdf5_tree *tree, uint64_t address,
                     struct hdf5_object **object, bool *added);

/* Appends a link to a group: `like` without `next`; name and target are
 * copied. Links come in creation order where the group tracks that, else in
 * bytewise order of their names. CKPT_FORMAT: a name that is empty, `.` or has
 * a `/` or NUL in it. */
int hdf5_tree_link(struct hdf5_tree *tree, struct hdf5_object *group,
                   const struct hdf5_link *like);

/* Appends an attribute: in creation order where the object tracks that, else
 * in the order of its header, or of libhdf5's index of hashes. What
 * `value` points to is in the arena already; the name is copied. */
int hdf5_tree_attr(struct hdf5_tree *tree, struct hdf5_object *object,
                   const char *name, const struct hdf5_value *value);

/* The path of an object by first links, without leading slash, in the arena,
 * for messages: NULL for the root, or if there is no memory. */
const char *hdf5_tree_path(struct hdf5_tree *tree,
                           const struct hdf5_object *object);

/* The attribute of that name, or NULL. */
const struct hdf5_attr *hdf5_attr_find(const struct hdf5_object *object,
                                       const char *name);

/* Makes a space from a shape, which is copied. CKPT_FORMAT: a product that
 * overflows, a rank over HDF5_RANK_MAX. `byte` is for that message. */
int hdf5_space_make(struct hdf5_tree *tree, uint32_t kind, uint32_t rank,
                    const uint64_t *shape, uint64_t byte,
                    struct hdf5_space *space);

/* The bytes of all elements. CKPT_FORMAT if that overflows. */
int hdf5_space_bytes(struct hdf5_tree *tree, const struct hdf5_space *space,
                     const struct hdf5_type *type, uint64_t byte,
                     uint64_t *size_bytes);

/* Checks a data set that is filled in: an extent within the part, and not
 * more than HDF5_UNBACKED_MAX claimed of which the file has less than one
 * byte in HDF5_UNBACKED_RATIO. CKPT_FORMAT, CKPT_LIMIT; `name` is for that
 * message, or NULL. */
int hdf5_data_check(struct hdf5_tree *tree, const struct hdf5_object *object,
                    const char *name);

/* The texts of `count` fixed strings, cut at their padding, in the arena. */
int hdf5_texts_fixed(struct hdf5_tree *tree, const struct hdf5_type *type,
                     uint64_t count, const unsigned char *bytes,
                     const struct ckpt_text **texts);

/* ---- For both walks, so that they name types alike ---- */

/* The fields of a float or integer type. */
struct hdf5_bits {
    bool is_float, is_signed, big_endian;
    uint32_t size_bytes, offset_bits, precision_bits;
    uint32_t sign_at, exponent_at, exponent_bits, mantissa_at, mantissa_bits;
    uint32_t implied; /* floats: 0 none, 1 always set, 2 implied */
    uint32_t bias;
};

/* Makes a NUMBER of the fields, or OTHER. */
void hdf5_type_number(const struct hdf5_bits *bits, struct hdf5_type *type);

/* Makes a complex NUMBER of the type of both parts, or OTHER: for a compound
 * of `first` at byte 0 and `second` behind it without a gap. */
void hdf5_type_complex(const char *first, const char *second,
                       const struct hdf5_type *part, struct hdf5_type *type);

/* Makes an ENUM, or a bool NUMBER, of its integers and members; the members
 * are in the arena. */
void hdf5_type_enum(const struct hdf5_type *integer,
                    const struct hdf5_member *members, uint32_t member_count,
                    struct hdf5_type *type);

void hdf5_type_other(const char *what, uint32_t size_bytes,
                     struct hdf5_type *type);

#endif
