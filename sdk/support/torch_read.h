/* SPDX-License-Identifier: MIT
 *
 * Turns a parsed pickle of torch.save into a graph. Where the bytes of a
 * storage are is for the container (zip, legacy stream, tar) to say.
 *
 * How nodes are read:
 *   dict, list, tuple, scalars   as the kinds of the graph
 *   collections.OrderedDict      a map of that type, of the list of pairs
 *                                that Python 2 gives it too; the entries of
 *                                its state are attributes, such as
 *                                `_metadata`
 *   torch._utils._rebuild_tensor, _v2, _v3            a tensor
 *   torch._utils._rebuild_parameter, _with_state      a tensor of role
 *                                parameter; its state gives attributes
 *   torch._tensor._rebuild_from_type_v2, _rebuild_from_type
 *                                a tensor; its class, unless torch.Tensor, is
 *                                its type, its state gives attributes
 *   torch._utils._rebuild_qtensor                     a tensor; the attribute
 *                                `quantiser` is a map, of type
 *                                "torch.per_tensor_affine" or the like
 *   torch._utils._rebuild_meta_tensor_no_storage      a tensor without bytes
 *   torch._utils._rebuild_sparse_tensor, _rebuild_nested_tensor
 *                                a map of type "torch.sparse_coo" or the like
 *                                with the parts: `indices`, `values` ...
 *   torch._utils._rebuild_device_tensor_from_numpy and kin
 *                                a tensor on that device
 *   numpy.ndarray of a type that torch has            a tensor of type
 *                                "numpy.ndarray"
 *   torch.FloatTensor and kin with a state, torch.nn.parameter.Parameter and
 *   torch.autograd.variable.Variable of a tensor
 *                                a tensor, as torch up to 0.3 wrote them
 *   torch.Size, torch.device, torch.float32 ...       size, device, dtype
 *   complex, _codecs.encode, bytes                    complex, bytes
 *   set, frozenset, bytearray    objects: builtins.set([...]) ...
 *   a bare storage               an object made PERSISTENT: module "torch",
 *                                name "FloatStorage" or the like, arguments
 *                                (one-dimensional tensor of all of it)
 *   a whole torch.nn.Module      the map that its state_dict() would give: of
 *                                type collections.OrderedDict, with dotted
 *                                names and the attribute `_metadata`; see
 *                                below
 *   all else                     objects, as they were made
 * A known name with arguments that are not its own is an object too, but for
 * tensors, where it is CKPT_UNSUPPORTED. The names of Python 2 that protocol
 * 2 writes are given as Python 3 has them: builtins, copyreg. One node gives
 * one value, so that what is shared stays shared and cycles stay.
 *
 * In the map of a module each tensor has its role, parameter or buffer, and,
 * as state_dict() detaches, neither gradient nor attributes; each entry is a
 * value of its own, and ties stay by the storage. The map has the attribute
 * SDK_TORCH_MODEL_CLASS, a string, by which writers of torch's own forms know
 * that its parameters are plain tensors there. What modules hold beside their
 * state goes into attributes of the graph, which are no matter of torch's
 * alone; a path is that of the tensors without their own name, "" at the root:
 *
 *   model.classes    map: path of each module, in the order of the state ->
 *                    "module.Class"
 *   model.training   map: path -> bool, for the outermost modules and those
 *                    whose flag is not that of the module around them
 *   model.frozen     list: names of parameters that require no gradient
 *   model.settings   map: path -> map of attributes that are plain values
 *                    (strides, paddings ...), for each module once
 *   model.sources    map: "module.Class" -> map {"file", "source"} of strings
 *                    or None, where the container carries it
 *
 * What is no plain value, tensors that are no state, and classes with a
 * state of their own (quantised modules, hooks) are reported.
 */
#ifndef SDK_TORCH_READ_H
#define SDK_TORCH_READ_H

#include "pickle_read.h"

#define SDK_TORCH_MODEL_CLASS "model.class"
#define SDK_TORCH_MODEL_CLASSES "model.classes"
#define SDK_TORCH_MODEL_TRAINING "model.training"
#define SDK_TORCH_MODEL_FROZEN "model.frozen"
#define SDK_TORCH_MODEL_SETTINGS "model.settings"
#define SDK_TORCH_MODEL_SOURCES "model.sources"

/* What the persistent ids of a container look like. */
enum sdk_torch_ids {
    SDK_TORCH_IDS_ZIP, /* ('storage', class, key, location, count) */
    /* The same with None behind it, or with (key, offset, count): a view of
     * that storage, with a key of its own. And ('module', class, file, text),
     * which stands for the class; the texts become the attribute
     * SDK_TORCH_MODEL_SOURCES of the graph. */
    SDK_TORCH_IDS_LEGACY,
    /* A key alone, for `named`; and (class, file, text), as above. */
    SDK_TORCH_IDS_TAR
};

/* What a pickle says of one storage, the first time that it names it. */
struct sdk_torch_storage {
    struct ckpt_text key;
    uint64_t size_bytes;
    uint32_t word_bytes; /* of its elements: the unit of byte order */
    uint32_t item_bytes; /* of its class: what counts are of */
    size_t index;        /* LEGACY: among those that `meet` was told */
    const char *device;  /* NULL in `meet` */
    const char *tensor;  /* for messages: the name met first, or NULL */
    uint64_t byte;       /* for messages: where the pickle names it */
};

/* A persistent id that is a key alone: the form lists tensors and storages
 * beside the pickle. */
struct sdk_torch_named {
    struct ckpt_text id;
    const char *tensor; /* for messages: the name met first, or NULL */
    uint64_t byte;      /* for messages: where the pickle names it */
};

struct sdk_torch_source {
    /* Says in `like` where the storage is: place and what belongs to it, and
     * byte_order. All else is filled in. Called once per key. */
    int (*find)(const struct ckpt_host *host, void *user,
                const struct sdk_torch_storage *storage,
                struct ckpt_storage *like);
    void *user;
    uint64_t origin; /* of the pickle in the file, or CKPT_NOWHERE */
    /* The file in which the pickle lies as it is; NULL: there is none, and
     * what the pickle itself holds of payload is kept in memory. */
    const struct ckpt_source *file;
    /* Says in `like` how to decode a storage from text in the file: UTF-8 of
     * `text_bytes` bytes from `offset`, whose code points are bytes, of which
     * the first `skip` are passed over. NULL: there are no cursors for that. */
    int (*text)(const struct ckpt_host *host, void *user, uint64_t offset,
                uint64_t text_bytes, uint64_t skip, struct ckpt_storage *like);
    /* Arrays of NumPy are tensors like others, without a type of their own. */
    bool arrays_are_tensors;
    uint32_t ids;    /* enum sdk_torch_ids */
    /* LEGACY: is told all storages but views, each key once, in the order in
     * which a load would meet them, before the first is to be found. */
    int (*meet)(const struct ckpt_host *host, void *user,
                const struct sdk_torch_storage *storages, size_t count);
    /* TAR: gives what a key stands for: a tensor, or a bare storage from
     * sdk_torch_storage_value; the same value for the same key. */
    int (*named)(const struct ckpt_host *host, void *user,
                 struct ckpt_graph *graph, const struct sdk_torch_named *named,
                 struct ckpt_value **value);
};

/* Builds the values of the pickle's root, and gives it. */
int sdk_torch_read(const struct ckpt_host *host, struct ckpt_graph *graph,
                   const struct sdk_pickled *pickled,
                   const struct sdk_torch_source *source,
                   const struct ckpt_value **root);

/* Makes the object of a bare storage: `view` is its one-dimensional tensor,
 * and gives the class. `untyped`: the class is the untyped one. */
int sdk_torch_storage_value(const struct ckpt_host *host,
                            struct ckpt_graph *graph,
                            const struct ckpt_tensor *view, bool untyped,
                            const char *name, struct ckpt_value **value);

/* The dtype of a class of torch by its ending, "Storage" or "Tensor", as in
 * torch.FloatStorage and torch.cuda.FloatTensor; or NONE. */
uint32_t sdk_torch_class_dtype(const char *module, const char *name,
                               const char *ending);

/* ---- The same by parts, for who wants but some of the nodes ---- */

struct torch_reader; /* opaque */

/* The arguments live until the reader is freed. */
int sdk_torch_reader_new(const struct ckpt_host *host, struct ckpt_graph *graph,
                         const struct sdk_pickled *pickled,
                         const struct sdk_torch_source *source,
                         struct torch_reader **reader);

/* Gives the value of a node, with all that is in it; the same one again if it
 * is asked for again. `name` is its full name, for messages, or NULL; `role`
 * is that of its tensors, if the pickle tells none. Nothing more can be asked
 * after a failure. */
int sdk_torch_reader_value(struct torch_reader *reader, uint32_t ref,
                           const char *name, uint32_t role,
                           struct ckpt_value **value);

void sdk_torch_reader_free(struct torch_reader *reader);

#endif
