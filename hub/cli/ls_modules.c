/* SPDX-License-Identifier: MIT
 *
 * `ckpt ls --modules`: a line for each module that has tensors of its own, in
 * the order of the file. A module is what stands before the last dot or slash
 * of a name; what parametrizes a weight is of the weight's module, and all of
 * an optimizer is one.
 */
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "listing.h"
#include "model.h"
#include "module_kind.h"
#include "table_out.h"

/* A row with the name of its module: the first bytes of its own. */
struct member {
    const struct cli_row *row;
    struct ckpt_text path;
};

struct module {
    const struct member *members; /* all of its */
    size_t member_count;
    uint64_t element_count; /* of parameters */
    uint64_t size_bytes;
};

/* The end of the optimizer's own name. */
static size_t
path_slot(const struct ckpt_text *name)
{
    static const char *const keys[] = {"state.", "param_groups."};
    size_t i, k, size;

    for (i = 0; i < name->size_bytes; i++)
        for (k = 0; k < 2; k++) {
            size = strlen(keys[k]);
            if ((i == 0 || name->data[i - 1] == '.') &&
                size <= name->size_bytes - i &&
                memcmp(name->data + i, keys[k], size) == 0)
                return i > 0 ? i - 1 : 0;
        }
    return 0;
}

/* Where ".parametrizations." begins, or the last dot or slash; the lack of
 * either is 0. */
static size_t
path_module(const struct ckpt_text *name)
{
    static const char inner[] = "parametrizations.";
    size_t i, end = 0;

    for (i = 0; i < name->size_bytes; i++) {
        if ((i == 0 || name->data[i - 1] == '.') &&
            name->size_bytes - i >= sizeof inner &&
            memcmp(name->data + i, inner, sizeof inner - 1) == 0)
            return i > 0 ? i - 1 : 0;
        if (name->data[i] == '.' || name->data[i] == '/')
            end = i;
    }
    return end;
}

static int
member_order(const void *a, const void *b)
{
    const struct member *one = a, *two = b;
    const struct ckpt_text *p = &one->path, *q = &two->path;
    size_t size = p->size_bytes < q->size_bytes ? p->size_bytes : q->size_bytes;
    int order = memcmp(p->data, q->data, size);

    if (order != 0)
        return order;
    if (p->size_bytes != q->size_bytes)
        return p->size_bytes < q->size_bytes ? -1 : 1;
    return one->row->index < two->row->index ? -1 : 1;
}

static int
module_order(const void *a, const void *b)
{
    const struct module *one = a, *two = b;

    return one->members->row->index < two->members->row->index ? -1 : 1;
}

static void
members_fill(const struct cli_listing *listing, struct member *members)
{
    const struct ckpt_text *name;
    size_t i;

    for (i = 0; i < listing->row_count; i++) {
        name = &listing->rows[i].entry->name;
        members[i].row = &listing->rows[i];
        members[i].path.data = name->data;
        members[i].path.size_bytes =
            listing->rows[i].parameter_index == CKPT_NUMBER_SLOT
                ? path_slot(name)
                : path_module(name);
    }
    qsort(members, listing->row_count, sizeof *members, member_order);
}

/* A second name of a parameter is not counted again: `firsts` has, by number,
 * 1 + the first row. */
static void
firsts_fill(const struct cli_listing *listing, size_t *firsts)
{
    size_t i = listing->row_count;

    while (i-- > 0)
        if (listing->rows[i].parameter_index < CKPT_NUMBER_SLOT)
            firsts[listing->rows[i].parameter_index] = i + 1;
}

static size_t
modules_fill(const struct cli_listing *listing, const struct member *members,
             struct module *modules, const size_t *firsts)
{
    const struct ckpt_tensor *tensor;
    struct module *module = modules - 1;
    size_t i;

    for (i = 0; i < listing->row_count; i++) {
        const struct member *member = &members[i];
        uint64_t number = member->row->parameter_index;

        if (i == 0 || member->path.size_bytes != member[-1].path.size_bytes ||
            memcmp(member->path.data, member[-1].path.data,
                   member->path.size_bytes) != 0)
            (++module)->members = member;
        tensor = member->row->entry->value->as.tensor;
        module->member_count++;
        module->size_bytes += tensor->size_bytes;
        if (number < CKPT_NUMBER_SLOT &&
            firsts[number] == (size_t)(member->row - listing->rows) + 1)
            module->element_count += tensor->element_count;
    }
    return (size_t)(module + 1 - modules);
}

/* As the file says, or as its tensors look. */
static void
module_kind(struct cli_out *out, const struct cli_listing *listing,
            const struct module *module, struct cli_part *parts)
{
    const struct ckpt_text *path = &module->members->path;
    struct ckpt_text class;
    size_t i, at = path->size_bytes + (path->size_bytes > 0);

    if (module->members->row->parameter_index == CKPT_NUMBER_SLOT) {
        cli_out_string(out, "optimizer");
        return;
    }
    if (cli_model_class(listing->graph, path, &class)) {
        cli_escape(out, class.data, class.size_bytes);
        return;
    }
    for (i = 0; i < module->member_count; i++) {
        const struct cli_row *row = module->members[i].row;

        parts[i].tensor = row->entry->value->as.tensor;
        parts[i].key.data = row->entry->name.data + at;
        parts[i].key.size_bytes = row->entry->name.size_bytes - at;
    }
    cli_module_kind(out, path, parts, module->member_count);
}

static int
modules_table(struct cli_out *out, const struct cli_listing *listing,
              const struct module *modules, size_t count,
              struct cli_part *parts)
{
    /* The order is a promise. */
    static const struct cli_column columns[] = {{"MODULE", false},
                                                {"KIND", false},
                                                {"TENSORS", true},
                                                {"PARAMETERS", true},
                                                {"BYTES", true}};
    const struct ckpt_text *path;
    struct cli_table table;
    size_t i;

    cli_table_begin(&table, out, columns, sizeof columns / sizeof *columns);
    for (i = 0; i < count; i++) {
        path = &modules[i].members->path;
        if (path->size_bytes > 0)
            cli_escape(cli_table_cell(&table), path->data, path->size_bytes);
        else
            cli_out_string(cli_table_cell(&table), "(root)");
        module_kind(cli_table_cell(&table), listing, &modules[i], parts);
        cli_out_u64(cli_table_cell(&table), modules[i].member_count);
        cli_out_u64(cli_table_cell(&table), modules[i].element_count);
        cli_out_u64(cli_table_cell(&table), modules[i].size_bytes);
        cli_table_row_end(&table);
    }
    return cli_table_end(&table);
}

static void
modules_sum(struct cli_out *out, const struct module *modules, size_t count)
{
    uint64_t tensors = 0, elements = 0, bytes = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        tensors += modules[i].member_count;
        elements += modules[i].element_count;
        bytes += modules[i].size_bytes;
    }
    cli_out_u64(out, count);
    cli_out_string(out, count == 1 ? " module, " : " modules, ");
    cli_out_u64(out, tensors);
    cli_out_string(out, tensors == 1 ? " tensor, " : " tensors, ");
    cli_out_u64(out, elements);
    cli_out_string(out, elements == 1 ? " parameter, " : " parameters, ");
    cli_out_size(out, bytes);
    cli_out_char(out, '\n');
}

int
cli_listing_modules(struct cli_out *out, const struct cli_listing *listing,
                    bool sum)
{
    size_t count = listing->row_count;
    struct member *members = calloc(count + 1, sizeof *members);
    struct module *modules = calloc(count + 1, sizeof *modules);
    struct cli_part *parts = calloc(count + 1, sizeof *parts);
    size_t *firsts = calloc(listing->graph->entry_count + 1, sizeof *firsts);
    int status = CKPT_MEMORY;

    if (members != NULL && modules != NULL && parts != NULL && firsts != NULL) {
        members_fill(listing, members);
        firsts_fill(listing, firsts);
        count = modules_fill(listing, members, modules, firsts);
        qsort(modules, count, sizeof *modules, module_order);
        status = modules_table(out, listing, modules, count, parts);
    }
    if (status == CKPT_OK && sum)
        modules_sum(out, modules, count);
    free(members);
    free(modules);
    free(parts);
    free(firsts);
    return status;
}
