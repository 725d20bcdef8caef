/* SPDX-License-Identifier: MIT
 *
 * From the objects of a TorchScript archive to the map that state_dict()
 * gives, and what of the archive is listed beside it.
 */
#ifndef TORCHSCRIPT_STATE_H
#define TORCHSCRIPT_STATE_H

#include "buffer.h"
#include "torch_records.h"

/* Reads data.pkl of an archive of torch 1.4 and later, and sets the root of
 * the graph. */
int torchscript_state_read(const struct ckpt_host *host,
                           struct sdk_torch_records *records,
                           struct ckpt_graph *graph);

/* Reads model.json of an archive of torch 1.0 to 1.3, and does the same. */
int torchscript_model_read(const struct ckpt_host *host,
                           struct sdk_torch_records *records,
                           struct ckpt_graph *graph);

/* Lists the code, the extra files and the constants as attributes of the
 * graph, and counts them as used. */
int torchscript_list(const struct ckpt_host *host,
                     struct sdk_torch_records *records,
                     struct ckpt_graph *graph);

/* ---- What both ways of reading share ---- */

/* The map that is made, and the name of the module that is being read. */
struct torchscript_map {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    struct ckpt_value *root;
    struct ckpt_value *others; /* names of other tensors, or NULL */
    /* Attributes of the graph, as those of whole modules; or NULL. */
    struct ckpt_value *classes, *training, *frozen;
    struct sdk_buffer path; /* "encoder.layer." */
    struct sdk_table names; /* of the tensors */
    size_t module_count;
};

/* Makes the map, empty, of a module of this class. The rest of `map` has been
 * zeroed but for host and graph. */
int torchscript_map_new(struct torchscript_map *map, const char *class);

/* Notes of the module that the path leads to: its class, its training flag. */
int torchscript_map_class(struct torchscript_map *map, const char *class);
int torchscript_map_training(struct torchscript_map *map, bool training);

/* Notes a parameter without gradient. */
int torchscript_map_frozen(struct torchscript_map *map, const char *full);

/* Gives path and name together, NUL-terminated, until the path changes. */
int torchscript_map_name(struct torchscript_map *map,
                         const struct ckpt_text *name, const char **full);

/* Whether there is a tensor of the full name. */
bool torchscript_map_has(const struct torchscript_map *map, const char *full);

/* Puts a tensor under a full name. CKPT_FORMAT: there is one of that name. */
int torchscript_map_put(struct torchscript_map *map, const char *full,
                        const struct ckpt_value *value);

/* Counts a module, and fails if there are too many. */
int torchscript_map_count(struct torchscript_map *map);

/* Goes into a submodule; `*path_bytes` is for torchscript_map_leave. Fails if
 * they nest too deep. */
int torchscript_map_enter(struct torchscript_map *map, unsigned depth,
                          const struct ckpt_text *name, size_t *path_bytes);
void torchscript_map_leave(struct torchscript_map *map, size_t path_bytes);

/* Lists an attribute that holds tensors and is no state. */
int torchscript_map_other(struct torchscript_map *map, const char *full);

/* Makes the map the root, and reports what is not in it. */
int torchscript_map_finish(struct torchscript_map *map);

void torchscript_map_fini(struct torchscript_map *map);

/* Adds a string to a list. */
int torchscript_list_add(const struct ckpt_host *host, struct ckpt_graph *graph,
                         struct ckpt_value *list, const char *text,
                         size_t text_bytes);

#endif
