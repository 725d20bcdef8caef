/* SPDX-License-Identifier: MIT
 *
 * What a file tells of whole models, beside their tensors. A reader that
 * knows such sets attributes of the graph, all of which may be missing:
 *
 *   model.classes    map: path of each module, outer ones before inner ones,
 *                    -> its class; a path is that of the tensors in it, ""
 *                    at the root
 *   model.training   map: path -> whether it was being trained; only where
 *                    that is not as in the module around it
 *   model.frozen     list: names of parameters that are not trained
 *   model.settings   map: path -> map of other plain attributes
 *   model.sources    map: class -> map of "file" and "source"
 */
#ifndef CLI_MODEL_H
#define CLI_MODEL_H

#include "ckpt.h"
#include "out.h"

/* Whether an attribute of the graph is one of those above. */
bool cli_model_attribute(const char *name);

/* Models, classes and flags, in lines that start with a title; `all` adds the
 * tree of modules. CKPT_MEMORY. */
int cli_model_print(struct cli_out *out, const struct ckpt_graph *graph,
                    bool all);

/* What the file says the class of the module at `path` is, without where it
 * is from: "Conv2d". False: it does not say. */
bool cli_model_class(const struct ckpt_graph *graph,
                     const struct ckpt_text *path, struct ckpt_text *class);

/* The source of each class, escaped line by line. False: there is none. */
bool cli_model_sources(struct cli_out *out, const struct ckpt_graph *graph);

#endif
