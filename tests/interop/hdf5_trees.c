/* SPDX-License-Identifier: MIT
 *
 * Prints the tree of an HDF5 file as one of the plugin's two walks tells it,
 * one line for each thing under its path, so that both can be compared:
 *     hdf5-trees own|library FILE [OFFSET SIZE]
 * Exit 0; 2: the own walk leaves the file to libhdf5; 3: refused, and the
 * reason is on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/load/host_table.h"
#include "plugins/formats/hdf5/hdf5_lib.h"
#include "plugins/formats/hdf5/hdf5_tree.h"
#include "plugins/formats/hdf5/hdf5_walk.h"

static void
print_text(const char *text, size_t size_bytes)
{
    size_t i;

    putchar('"');
    for (i = 0; i < size_bytes; i++)
        if (text[i] >= ' ' && text[i] < 127 && text[i] != '"' &&
            text[i] != '\\')
            putchar(text[i]);
        else
            printf("\\x%02x", (unsigned char)text[i]);
    putchar('"');
}

static void
print_type(const struct hdf5_type *type)
{
    static const char *const classes[] = {"?",     "number",   "enum", "opaque",
                                          "fixed", "variable", "other"};
    uint32_t i;

    printf(" %s", classes[type->class]);
    if (type->class == HDF5_NUMBER || type->class == HDF5_ENUM)
        printf(" %s%s", ckpt_dtype_name(type->dtype),
               type->byte_order == CKPT_BIG_ENDIAN ? " big" : "");
    if (type->class == HDF5_OTHER)
        printf(" (%s)", type->other);
    else
        printf(" %u", type->size_bytes);
    if (type->class == HDF5_FIXED)
        printf(" padding %u", type->padding);
    if (type->class == HDF5_OPAQUE)
        printf(" tag '%s'", type->tag);
    for (i = 0; i < type->member_count; i++)
        printf(" %s=%lld", type->members[i].name,
               (long long)type->members[i].number);
}

static void
print_space(const struct hdf5_space *space)
{
    static const char *const kinds[] = {"?", "scalar", "simple", "null"};
    uint32_t i;

    printf(" %s", kinds[space->kind]);
    for (i = 0; i < space->rank; i++)
        printf("%c%llu", i == 0 ? ' ' : 'x',
               (unsigned long long)space->shape[i]);
}

/* Long runs are told by a sum. */
static void
print_bytes(const unsigned char *bytes, uint64_t size_bytes)
{
    uint64_t sum = 14695981039346656037u, i;

    if (bytes == NULL || size_bytes == 0)
        return;
    printf(" bytes ");
    for (i = 0; i < size_bytes; i++) {
        sum = (sum ^ bytes[i]) * 1099511628211u;
        if (size_bytes <= 32)
            printf("%02x", bytes[i]);
    }
    if (size_bytes > 32)
        printf("sum %016llx", (unsigned long long)sum);
}

static void
print_texts(const struct ckpt_text *texts, uint64_t count)
{
    uint64_t i;

    for (i = 0; texts != NULL && i < count; i++) {
        putchar(' ');
        print_text(texts[i].data, texts[i].size_bytes);
    }
}

static void
print_attrs(const char *path, const struct hdf5_object *object)
{
    const struct hdf5_attr *attr;
    const struct hdf5_value *value;

    for (attr = object->attrs; attr != NULL; attr = attr->next) {
        value = &attr->value;
        printf("attr %s@%s", path, attr->name);
        print_type(&value->type);
        print_space(&value->space);
        print_bytes(value->bytes, value->space.count * value->type.size_bytes);
        print_texts(value->texts, value->space.count);
        putchar('\n');
    }
}

static void
print_data(const char *path, const struct hdf5_object *object)
{
    static const char *const places[] = {"?",    "span",  "fill",   "inline",
                                         "text", "coded", "refused"};
    const struct hdf5_data *data = &object->data;

    printf("data %s #%llu", path, (unsigned long long)object->address);
    print_type(&data->type);
    print_space(&data->space);
    printf(" %s %llu", places[data->place],
           (unsigned long long)data->size_bytes);
    if (data->place == HDF5_SPAN)
        printf(" at %llu", (unsigned long long)data->offset);
    if (data->place == HDF5_INLINE)
        print_bytes(data->bytes, data->size_bytes);
    if (data->place == HDF5_FILL)
        print_bytes(data->bytes, data->type.size_bytes);
    if (data->place == HDF5_TEXT)
        print_texts(data->texts, data->space.count);
    putchar('\n');
}

struct printing {
    unsigned char *seen; /* groups, by index: cycles end here */
    char path[1 << 17];
    size_t depth;
};

static void
print_object(struct printing *p, const struct hdf5_object *object)
{
    const struct hdf5_link *link;
    size_t length = strlen(p->path);

    if (object->kind == HDF5_DATA)
        print_data(p->path, object);
    else
        printf("%s %s #%llu\n", object->kind == HDF5_GROUP ? "group" : "type",
               p->path, (unsigned long long)object->address);
    print_attrs(p->path, object);
    if (object->kind != HDF5_GROUP || p->seen[object->index]++)
        return;
    for (link = object->links; link != NULL; link = link->next) {
        if (length + link->name_bytes + 2 > sizeof p->path || p->depth > 4000)
            continue;
        snprintf(p->path + length, sizeof p->path - length, "/%.*s",
                 (int)link->name_bytes, link->name);
        p->depth++;
        if (link->kind == HDF5_HARD)
            print_object(p, link->object);
        else
            printf("%s %s -> %s\n", link->kind == HDF5_SOFT ? "soft" : "other",
                   p->path, link->target);
        p->depth--;
        p->path[length] = '\0';
    }
}

static int
walk(const struct ckpt_host *host, const struct hdf5_part *part, bool own,
     struct hdf5_tree *tree)
{
    struct hdf5_lib *lib = NULL;
    int status;

    hdf5_tree_init(host, part, tree);
    if (own)
        return hdf5_walk(tree);
    status = hdf5_lib_open(host, part, &lib);
    if (status == CKPT_OK)
        status = hdf5_lib_walk(lib, tree);
    hdf5_lib_close(lib);
    return status;
}

int
main(int count, char **arguments)
{
    struct hub_report report = {0};
    struct hub_budget budget = {.limit_bytes = HUB_BUDGET_DEFAULT,
                                .report = &report};
    struct hub_host host;
    struct hdf5_part part = {0};
    struct hdf5_tree tree = {0};
    struct printing *printing = calloc(1, sizeof *printing);
    int status;

    if (count < 3 || printing == NULL)
        return 1;
    hub_host_init(&host, &budget);
    status = hub_host_open(&host, arguments[2], &part.source);
    if (status == CKPT_OK) {
        part.size_bytes = host.table.source_size(&host.table, part.source);
        if (count == 5) {
            part.base = strtoull(arguments[3], NULL, 10);
            part.size_bytes = strtoull(arguments[4], NULL, 10);
        }
        status =
            walk(&host.table, &part, strcmp(arguments[1], "own") == 0, &tree);
    }
    if (status == CKPT_OK) {
        printing->seen = calloc(1, tree.object_count);
        print_object(printing, tree.objects[0]);
        free(printing->seen);
    }
    free(printing);
    hdf5_tree_fini(&tree);
    hub_host_fini(&host);
    if (status < 0)
        fprintf(stderr, "%d %s\n", status, report.text);
    return status == CKPT_OK ? 0 : status == CKPT_END ? 2 : 3;
}
