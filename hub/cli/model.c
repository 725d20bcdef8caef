/* SPDX-License-Identifier: MIT
 *
 * Whole models on a screen. Everything here is a stranger's: types are looked
 * at before use, and text is escaped.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "walk.h"

#define MODELS_MAX 10
#define CLASSES_MAX 12
#define INDENT_MAX 64

static const char *const model_names[] = {"model.classes", "model.training",
                                          "model.frozen", "model.settings",
                                          "model.sources"};

bool
cli_model_attribute(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof model_names / sizeof *model_names; i++)
        if (strcmp(name, model_names[i]) == 0)
            return true;
    return false;
}

/* The map of that name, or an empty one. */
static const struct ckpt_value *
model_map(const struct ckpt_graph *graph, const char *name)
{
    static const struct ckpt_value none = {.kind = CKPT_KIND_MAP};
    const struct ckpt_attr *attr = graph->attrs;

    for (; attr != NULL; attr = attr->next)
        if (strcmp(attr->name, name) == 0)
            return attr->value->kind == CKPT_KIND_MAP ? attr->value : &none;
    return &none;
}

/* A pair of texts; what is no text is empty. */
static const struct ckpt_text *
model_text(const struct ckpt_value *value)
{
    static const struct ckpt_text none = {"", 0};

    return value->kind == CKPT_KIND_STRING ? &value->as.text : &none;
}

static bool
model_same(const struct ckpt_text *a, const struct ckpt_text *b)
{
    return a->size_bytes == b->size_bytes &&
           memcmp(a->data, b->data, a->size_bytes) == 0;
}

/* Whether `path` is inside of `around`, or the same. */
static bool
model_inside(const struct ckpt_text *path, const struct ckpt_text *around)
{
    size_t size = around->size_bytes;

    return size == 0 || (path->size_bytes >= size &&
                         memcmp(path->data, around->data, size) == 0 &&
                         (path->size_bytes == size || path->data[size] == '.'));
}

static void
model_title(struct cli_out *out, const char *title)
{
    cli_out_string(out, "  ");
    cli_out_string(out, title);
    cli_out_fill(out, ' ', 12 - strlen(title));
}

static void
model_flag(struct cli_out *out, const struct ckpt_value *flag)
{
    if (flag != NULL && flag->kind == CKPT_KIND_BOOL)
        cli_out_string(out, flag->as.truth ? ", training" : ", evaluating");
}

bool
cli_model_class(const struct ckpt_graph *graph, const struct ckpt_text *path,
                struct ckpt_text *class)
{
    const struct ckpt_value *found =
        cli_map_find(model_map(graph, "model.classes"), path);
    size_t i;

    if (found == NULL || found->kind != CKPT_KIND_STRING)
        return false;
    for (i = found->as.text.size_bytes; i > 0; i--)
        if (found->as.text.data[i - 1] == '.')
            break;
    class->data = found->as.text.data + i;
    class->size_bytes = found->as.text.size_bytes - i;
    return true;
}

/* ---- Models ---- */

/* The index after the last module of the model that begins at `from`. */
static size_t
model_end(const struct ckpt_value *classes, size_t from)
{
    const struct ckpt_text *around =
        model_text(classes->as.map.pairs[from].key);
    size_t i = from + 1;

    while (i < classes->as.map.count &&
           model_inside(model_text(classes->as.map.pairs[i].key), around))
        i++;
    return i;
}

/* Modules inside that are trained where the model is not, or the reverse. */
static size_t
model_mixed(const struct ckpt_value *training, const struct ckpt_text *around)
{
    size_t i, count = 0;

    for (i = 0; i < training->as.map.count; i++)
        count +=
            model_inside(model_text(training->as.map.pairs[i].key), around);
    return count > 0 ? count - 1 : 0;
}

static void
model_one(struct cli_out *out, const struct ckpt_graph *graph, size_t from,
          size_t end)
{
    const struct ckpt_value *training = model_map(graph, "model.training");
    const struct ckpt_pair *pair =
        &model_map(graph, "model.classes")->as.map.pairs[from];
    const struct ckpt_text *path = model_text(pair->key);
    const struct ckpt_text *class = model_text(pair->value);
    size_t mixed = model_mixed(training, path);

    model_title(out, "model");
    if (path->size_bytes > 0) {
        cli_escape(out, path->data, path->size_bytes);
        cli_out_string(out, ": ");
    }
    cli_escape(out, class->data, class->size_bytes);
    cli_out_string(out, ", ");
    cli_out_u64(out, end - from);
    cli_out_string(out, end - from == 1 ? " module" : " modules");
    model_flag(out, cli_map_find(training, path));
    if (mixed > 0) {
        cli_out_string(out, " (the flag changes at ");
        cli_out_u64(out, mixed);
        cli_out_string(out, mixed == 1 ? " module)" : " modules)");
    }
    cli_out_char(out, '\n');
}

static void
model_all(struct cli_out *out, const struct ckpt_graph *graph)
{
    const struct ckpt_value *classes = model_map(graph, "model.classes");
    size_t i, end, count = 0;

    for (i = 0; i < classes->as.map.count; i = end) {
        end = model_end(classes, i);
        if (count++ < MODELS_MAX)
            model_one(out, graph, i, end);
    }
    if (count <= MODELS_MAX)
        return;
    model_title(out, "model");
    cli_out_string(out, "and ");
    cli_out_u64(out, count - MODELS_MAX);
    cli_out_string(out, " more (-v)\n");
}

/* ---- Classes ---- */

struct model_class {
    const struct ckpt_text *name;
    size_t count, first;
};

static int
model_by_name(const void *a, const void *b)
{
    const struct model_class *one = a, *two = b;
    size_t size = one->name->size_bytes < two->name->size_bytes
                      ? one->name->size_bytes
                      : two->name->size_bytes;
    int order = memcmp(one->name->data, two->name->data, size);

    if (order != 0)
        return order;
    if (one->name->size_bytes != two->name->size_bytes)
        return one->name->size_bytes < two->name->size_bytes ? -1 : 1;
    return one->first < two->first ? -1 : 1;
}

static int
model_by_count(const void *a, const void *b)
{
    const struct model_class *one = a, *two = b;

    if (one->count != two->count)
        return one->count > two->count ? -1 : 1;
    return one->first < two->first ? -1 : 1;
}

/* One entry for each class, the most frequent first. */
static size_t
model_count(const struct ckpt_value *classes, struct model_class *list)
{
    size_t i, used = 0;

    for (i = 0; i < classes->as.map.count; i++)
        list[i] = (struct model_class){
            model_text(classes->as.map.pairs[i].value), 1, i};
    qsort(list, i, sizeof *list, model_by_name);
    for (i = 0; i < classes->as.map.count; i++) {
        if (used > 0 && model_same(list[used - 1].name, list[i].name))
            list[used - 1].count++;
        else
            list[used++] = list[i];
    }
    qsort(list, used, sizeof *list, model_by_count);
    return used;
}

static int
model_classes(struct cli_out *out, const struct ckpt_value *classes, bool all)
{
    struct model_class *list = calloc(classes->as.map.count, sizeof *list);
    size_t i, used;

    if (list == NULL)
        return CKPT_MEMORY;
    used = model_count(classes, list);
    for (i = 0; i < used; i++) {
        if (i >= CLASSES_MAX && !all)
            break;
        model_title(out, "class");
        cli_escape(out, list[i].name->data, list[i].name->size_bytes);
        cli_out_string(out, " (");
        cli_out_u64(out, list[i].count);
        cli_out_string(out, ")\n");
    }
    if (i < used) {
        model_title(out, "class");
        cli_out_string(out, "and ");
        cli_out_u64(out, used - i);
        cli_out_string(out, " more (-v)\n");
    }
    free(list);
    return CKPT_OK;
}

/* ---- The tree ---- */

/* Where the last name of a path begins that is inside of `around`; how many
 * names stand between the two goes to `*depth`. */
static size_t
model_label(const struct ckpt_text *path, const struct ckpt_text *around,
            size_t *depth)
{
    size_t from = around->size_bytes > 0 ? around->size_bytes + 1 : 0;
    size_t i = from;

    *depth = 1;
    for (; i < path->size_bytes; i++)
        if (path->data[i] == '.') {
            from = i + 1;
            ++*depth;
        }
    return from;
}

/* The flags are in the order of the classes. */
static void
model_tree(struct cli_out *out, const struct ckpt_graph *graph)
{
    const struct ckpt_value *classes = model_map(graph, "model.classes");
    const struct ckpt_value *training = model_map(graph, "model.training");
    const struct ckpt_text *path, *class, *around = NULL;
    const struct ckpt_pair *flag = training->as.map.pairs;
    const struct ckpt_pair *flags_end = flag + training->as.map.count;
    size_t i, from, depth;

    for (i = 0; i < classes->as.map.count; i++) {
        path = model_text(classes->as.map.pairs[i].key);
        class = model_text(classes->as.map.pairs[i].value);
        from = depth = 0;
        if (around != NULL && model_inside(path, around) &&
            path->size_bytes > around->size_bytes)
            from = model_label(path, around, &depth);
        else
            around = path;
        model_title(out, "module");
        cli_out_fill(out, ' ', 2 * (depth < INDENT_MAX ? depth : INDENT_MAX));
        cli_escape(out, path->data + from, path->size_bytes - from);
        cli_out_string(out, path->size_bytes > 0 ? ": " : "");
        cli_escape(out, class->data, class->size_bytes);
        if (flag < flags_end && model_same(model_text(flag->key), path))
            model_flag(out, flag++->value);
        cli_out_char(out, '\n');
    }
}

int
cli_model_print(struct cli_out *out, const struct ckpt_graph *graph, bool all)
{
    const struct ckpt_value *classes = model_map(graph, "model.classes");
    const struct ckpt_value *sources = model_map(graph, "model.sources");
    int status = CKPT_OK;

    if (classes->as.map.count > 0) {
        model_all(out, graph);
        status = model_classes(out, classes, all);
    }
    if (status == CKPT_OK && all)
        model_tree(out, graph);
    if (sources->as.map.count > 0) {
        model_title(out, "source");
        cli_out_string(out, "of ");
        cli_out_u64(out, sources->as.map.count);
        cli_out_string(out, sources->as.map.count == 1
                                ? " class (--source)\n"
                                : " classes (--source)\n");
    }
    return status;
}

/* ---- Sources ---- */

/* Text with its lines, tabs and backslashes, so that code is not changed; all
 * else as everywhere. */
static void
model_lines(struct cli_out *out, const struct ckpt_text *text)
{
    const char *at = text->data, *end = at + text->size_bytes, *stop;

    while (at < end) {
        stop = at;
        while (stop < end && *stop != '\n' && *stop != '\t' && *stop != '\\')
            stop++;
        if (stop < end && *stop == '\n' && stop > at && stop[-1] == '\r')
            cli_escape(out, at, (size_t)(stop - 1 - at));
        else
            cli_escape(out, at, (size_t)(stop - at));
        if (stop < end)
            cli_out_char(out, *stop++);
        at = stop;
    }
    if (text->size_bytes > 0 && end[-1] != '\n')
        cli_out_char(out, '\n');
}

bool
cli_model_sources(struct cli_out *out, const struct ckpt_graph *graph)
{
    static const struct ckpt_text file_key = {"file", 4},
                                  source_key = {"source", 6};
    const struct ckpt_value *sources = model_map(graph, "model.sources");
    const struct ckpt_value *file, *source;
    const struct ckpt_text *class;
    size_t i;

    for (i = 0; i < sources->as.map.count; i++) {
        class = model_text(sources->as.map.pairs[i].key);
        source = sources->as.map.pairs[i].value;
        file = NULL;
        if (source->kind == CKPT_KIND_MAP) {
            file = cli_map_find(source, &file_key);
            source = cli_map_find(source, &source_key);
        }
        cli_out_string(out, i > 0 ? "\n# " : "# ");
        cli_escape(out, class->data, class->size_bytes);
        if (file != NULL && model_text(file)->size_bytes > 0) {
            cli_out_string(out, " (");
            cli_escape(out, model_text(file)->data,
                       model_text(file)->size_bytes);
            cli_out_char(out, ')');
        }
        cli_out_char(out, '\n');
        if (source != NULL)
            model_lines(out, model_text(source));
    }
    return sources->as.map.count > 0;
}
