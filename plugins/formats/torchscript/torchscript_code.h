/* SPDX-License-Identifier: MIT
 *
 * The classes of a TorchScript archive, as far as its code says which of
 * their attributes are state:
 *
 *     class Linear(Module):
 *       __parameters__ = ["weight", "bias", ]
 *       __buffers__ = []
 *
 * The code is text, and is read for these lines alone; nothing of it is run.
 * Class A of module b.c is in the record code/b/c.py.
 */
#ifndef TORCHSCRIPT_CODE_H
#define TORCHSCRIPT_CODE_H

#include "buffer.h"
#include "torch_records.h"

struct torchscript_class {
    const char *name;       /* "__torch__.torch.nn.modules.linear.Linear" */
    bool is_module;         /* derived from Module */
    bool tells_buffers;     /* has a line __buffers__; torch 1.4 wrote none */
    bool has_state;         /* names parameters or buffers */
    struct sdk_table roles; /* of its attributes: enum ckpt_role */
};

struct torchscript_code {
    struct sdk_torch_records *records;
    struct sdk_buffer texts;   /* char *, what the tables borrow from */
    struct sdk_buffer classes; /* struct torchscript_class * */
    struct sdk_table files;    /* by module: it was looked for */
    struct sdk_table by_name;  /* of classes: index and one */
    struct sdk_buffer name;    /* the class that is looked for */
};

/* Finds the class, which lives as long as the code and
 * whose file is read when it is asked for first; NULL: the archive has no
 * code of it. `module` lives as long as the code. */
int torchscript_class_find(const struct ckpt_host *host,
                           struct torchscript_code *code, const char *module,
                           const char *name,
                           const struct torchscript_class **found);

/* What an attribute of the class is: enum ckpt_role. */
uint32_t torchscript_role_of(const struct torchscript_class *class,
                             const struct ckpt_text *attribute);

/* Frees everything. A zeroed struct is fine. */
void torchscript_code_fini(const struct ckpt_host *host,
                           struct torchscript_code *code);

#endif
