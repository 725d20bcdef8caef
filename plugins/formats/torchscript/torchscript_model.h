/* SPDX-License-Identifier: MIT
 *
 * What the files that read model.json share.
 */
#ifndef TORCHSCRIPT_MODEL_H
#define TORCHSCRIPT_MODEL_H

#include "json.h"
#include "torchscript_state.h"

struct torchscript_model {
    const struct ckpt_host *host;
    struct sdk_torch_records *records;
    struct torchscript_map map;

    struct sdk_torch_bytes text; /* of model.json */
    uint64_t origin;             /* of the text in the file */
    struct sdk_buffer texts;     /* unsigned char *, decoded strings */

    struct sdk_torch_bytes attribute_bytes;
    struct sdk_pickled pickled;         /* attributes.pkl */
    struct sdk_pickled_list attributes; /* its items */

    struct sdk_buffer modules;  /* struct module */
    struct sdk_buffer tensors;  /* size_t, where each is in the text */
    struct ckpt_value **values; /* by tensor, or NULL */
    struct sdk_table storages;  /* by record: index and one */
    struct sdk_buffer made;     /* const struct ckpt_storage * */
};

/* ---- Tensors, in torchscript_tensor.c ---- */

/* Once all tensors have been found. */
int torchscript_tensors_init(struct torchscript_model *m);
void torchscript_tensors_fini(struct torchscript_model *m);

/* The tensor of a number, made when it is asked for first. */
int torchscript_tensor_of(struct torchscript_model *m, const char *full,
                          int64_t id, uint32_t role, struct ckpt_value **value);

/* ---- JSON, in torchscript_model.c ---- */

/* Starts to scan at a place in the text, and takes the first event. */
void torchscript_json_at(const struct torchscript_model *m, size_t at,
                         struct sdk_json *json);

/* Fails for an error of the scanner, or for the reason. */
int torchscript_json_fail(struct torchscript_model *m, struct sdk_json *json,
                          const char *reason);

/* The last event as a string, which lives as long as the model. */
int torchscript_json_text(struct torchscript_model *m, struct sdk_json *json,
                          struct ckpt_text *text);

/* The last event as a number, in quotes or not. */
int torchscript_json_number(struct torchscript_model *m, struct sdk_json *json,
                            int64_t *number);

#endif
