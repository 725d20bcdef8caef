/* SPDX-License-Identifier: MIT
 *
 * Ways, in words and in JSON.
 */
#include "ways.h"

#include "escape.h"
#include "walk.h"

#define FILES_MAX 3 /* that a line names */

static const struct cli_column ways_columns[] = {
    {"FROM", false}, {"TO", false}, {"WAY", false}};

/* What JSON calls them; the keys are a promise. */
static const struct {
    uint32_t change;
    const char *word;
} ways_words[] = {
    {CKPT_CHANGE_RENAMED, "renamed"}, {CKPT_CHANGE_DTYPE, "dtype"},
    {CKPT_CHANGE_SHAPE, "shape"},     {CKPT_CHANGE_STRIDES, "strides"},
    {CKPT_CHANGE_DEVICE, "device"},   {CKPT_CHANGE_GRAD, "requires_grad"},
    {CKPT_CHANGE_TIED, "tied"},       {CKPT_CHANGE_UNTIED, "untied"},
    {CKPT_CHANGE_VALUES, "values"},   {CKPT_CHANGE_FILE, "file"},
    {CKPT_CHANGE_ADDED, "added"},     {CKPT_CHANGE_DROPPED, "dropped"},
    {CKPT_CHANGE_BITS, "bits"},       {CKPT_CHANGE_JOINED, "joined"},
};

/* ---- Words ---- */

/* The next thing that happens. */
static void
way_word(struct cli_out *out, size_t *count, const char *word)
{
    if ((*count)++ > 0)
        cli_out_string(out, ", ");
    cli_out_string(out, word);
}

static void
way_shape(struct cli_out *out, size_t *count, const struct ckpt_way *way)
{
    way_word(out, count, "");
    cli_out_shape(out, way->before->shape, way->before->rank);
    cli_out_string(out, " -> ");
    cli_out_shape(out, way->after->shape, way->after->rank);
}

static void
way_file(struct cli_out *out, size_t *count, const struct ckpt_way *way)
{
    way_word(out, count, "from ");
    cli_escape_string(out, way->file);
    if (way->file_name.size_bytes == way->to.size_bytes &&
        memcmp(way->file_name.data, way->to.data, way->to.size_bytes) == 0)
        return;
    cli_out_string(out, " as ");
    cli_escape(out, way->file_name.data, way->file_name.size_bytes);
}

/* Other files that have a part in its bytes. */
static void
way_others(struct cli_out *out, size_t *count, const struct ckpt_way *way)
{
    const struct ckpt_origin *origins = way->origins;
    size_t i, shown = 0;

    for (i = 1; i < way->origin_count; i++) {
        if (strcmp(origins[i].path, origins[0].path) == 0)
            continue;
        if (shown++ == FILES_MAX) {
            way_word(out, count, "...");
            return;
        }
        way_word(out, count, "with ");
        cli_escape_string(out, origins[i].path);
    }
}

static void
way_device(struct cli_out *out, size_t *count, const struct ckpt_way *way)
{
    way_word(out, count, "");
    cli_escape_string(out, way->before->storage->device);
    cli_out_string(out, " -> ");
    cli_escape_string(out, way->after->storage->device);
}

static void
way_dtype(struct cli_out *out, size_t *count, const struct ckpt_way *way)
{
    way_word(out, count, ckpt_dtype_name(way->before->dtype));
    cli_out_string(out, " -> ");
    cli_out_string(out, ckpt_dtype_name(way->after->dtype));
}

static void
way_words(struct cli_out *out, const struct ckpt_way *way)
{
    uint32_t changes = way->changes;
    size_t count = 0;

    if (changes == 0)
        way_word(out, &count, "kept");
    if (changes & CKPT_CHANGE_DROPPED)
        way_word(out, &count, "dropped");
    if (changes & CKPT_CHANGE_ADDED)
        way_word(out, &count, "added");
    if (changes & CKPT_CHANGE_FILE)
        way_file(out, &count, way);
    else
        way_others(out, &count, way);
    if (changes & CKPT_CHANGE_JOINED)
        way_word(out, &count, "joined");
    if (changes & CKPT_CHANGE_RENAMED)
        way_word(out, &count, "renamed");
    if (changes & CKPT_CHANGE_DTYPE)
        way_dtype(out, &count, way);
    if (changes & CKPT_CHANGE_SHAPE)
        way_shape(out, &count, way);
    if (changes & CKPT_CHANGE_STRIDES)
        way_word(out, &count,
                 way->after->contiguous ? "made contiguous" : "other strides");
    if (changes & CKPT_CHANGE_VALUES)
        way_word(out, &count, "other values");
    if (changes & CKPT_CHANGE_DEVICE)
        way_device(out, &count, way);
    if (changes & CKPT_CHANGE_GRAD)
        way_word(out, &count,
                 way->after->requires_grad ? "unfrozen" : "frozen");
    if (changes & CKPT_CHANGE_TIED)
        way_word(out, &count, "tied");
    if (changes & CKPT_CHANGE_UNTIED)
        way_word(out, &count, "untied");
    if (changes & CKPT_CHANGE_BITS) {
        way_word(out, &count, "bits as ");
        cli_out_string(out, ckpt_dtype_name(way->bits_dtype));
    }
}

static void
way_name(struct cli_out *out, const struct ckpt_text *name)
{
    if (name->data != NULL)
        cli_escape(out, name->data, name->size_bytes);
    else
        cli_out_char(out, '-');
}

static void
way_row(struct cli_table *table, const struct ckpt_way *way)
{
    way_name(cli_table_cell(table), &way->from);
    way_name(cli_table_cell(table), &way->to);
    way_words(cli_table_cell(table), way);
    cli_table_row_end(table);
}

/* ---- JSON ---- */

static void
json_name(struct cli_json *json, const char *key, const struct ckpt_text *name)
{
    cli_json_key(json, key);
    if (name->data != NULL)
        cli_json_text(json, name->data, name->size_bytes);
    else
        cli_json_string(json, NULL);
}

static void
json_tensor(struct cli_json *json, const char *key,
            const struct ckpt_tensor *tensor)
{
    cli_json_key(json, key);
    if (tensor == NULL) {
        cli_json_string(json, NULL);
        return;
    }
    cli_json_open(json, '{');
    cli_json_key(json, "dtype");
    cli_json_string(json, ckpt_dtype_name(tensor->dtype));
    cli_json_key(json, "shape");
    cli_json_item(json);
    cli_out_shape(json->out, tensor->shape, tensor->rank);
    cli_json_key(json, "device");
    cli_json_string(json, tensor->storage->device);
    cli_json_key(json, "requires_grad");
    cli_json_bool(json, tensor->requires_grad);
    cli_json_close(json, '}');
}

static void
json_origins(struct cli_json *json, const struct ckpt_way *way)
{
    size_t i;

    cli_json_key(json, "origins");
    cli_json_open(json, '[');
    for (i = 0; i < way->origin_count; i++) {
        cli_json_open(json, '{');
        cli_json_key(json, "file");
        cli_json_string(json, way->origins[i].path);
        json_name(json, "name", &way->origins[i].name);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

static void
json_way(struct cli_json *json, const struct ckpt_way *way)
{
    size_t i;

    cli_json_break(json);
    cli_json_open(json, '{');
    json_name(json, "from", &way->from);
    json_name(json, "to", &way->to);
    cli_json_key(json, "changes");
    cli_json_open(json, '[');
    for (i = 0; i < sizeof ways_words / sizeof ways_words[0]; i++)
        if (way->changes & ways_words[i].change)
            cli_json_string(json, ways_words[i].word);
    cli_json_close(json, ']');
    json_origins(json, way);
    if (way->file != NULL) {
        cli_json_key(json, "file");
        cli_json_string(json, way->file);
        json_name(json, "file_name", &way->file_name);
    }
    json_tensor(json, "before", way->before);
    json_tensor(json, "after", way->after);
    cli_json_close(json, '}');
}

void
cli_ways_told(void *context, const struct ckpt_told *told)
{
    struct cli_json *json = &((struct cli_ways *)context)->told;

    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "transform");
    cli_json_string(json, told->transform);
    cli_json_key(json, "tensor");
    cli_json_string(json, told->tensor);
    cli_json_key(json, "what");
    cli_json_string(json, told->what);
    cli_json_key(json, "notable");
    cli_json_bool(json, told->notable);
    cli_json_key(json, "text");
    cli_json_string(json, told->text);
    cli_json_close(json, '}');
}

/* What was collected, behind the list of tensors. */
static void
json_end(struct cli_ways *ways)
{
    struct cli_json *json = &ways->json;

    cli_json_break(json);
    cli_json_close(json, ']');
    cli_json_key(json, "told");
    cli_json_open(json, '[');
    if (ways->told_text.size_bytes > 0) {
        cli_out_string(json->out, cli_out_text(&ways->told_text));
        cli_json_break(json);
    }
    cli_json_close(json, ']');
    if (ways->hash_name != NULL) {
        cli_json_key(json, "hash_name");
        cli_json_string(json, ways->hash_name);
    }
    cli_json_close(json, '}');
    cli_out_char(json->out, '\n');
}

/* ---- Both ---- */

void
cli_ways_init(struct cli_ways *ways, struct cli *cli)
{
    memset(ways, 0, sizeof *ways);
    ways->cli = cli;
    cli_out_init(&ways->json_text, -1);
    cli_out_init(&ways->told_text, -1);
    ways->json.out = &ways->json_text;
    ways->told.out = &ways->told_text;
}

static void
ways_begin(struct cli_ways *ways)
{
    const struct cli_list *operands = &ways->cli->args.operands;
    struct cli_json *json = &ways->json;

    ways->begun = true;
    if (!ways->cli->args.json) {
        cli_table_begin(&ways->table, &ways->cli->out, ways_columns,
                        sizeof ways_columns / sizeof ways_columns[0]);
        return;
    }
    cli_json_open(json, '{');
    cli_json_key(json, "file");
    cli_json_string(json, operands->items[0]);
    cli_json_key(json, "output");
    cli_json_string(json, operands->items[operands->count - 1]);
    cli_json_key(json, "tensors");
    cli_json_open(json, '[');
}

void
cli_ways_take(void *context, const struct ckpt_way *way)
{
    struct cli_ways *ways = context;

    if (!ways->begun)
        ways_begin(ways);
    if (way->before == NULL)
        ways->added++;
    else if (way->after == NULL)
        ways->dropped++;
    else if (way->changes != 0)
        ways->changed++;
    else
        ways->kept++;
    if (ways->cli->args.json)
        json_way(&ways->json, way);
    else
        way_row(&ways->table, way);
}

int
cli_ways_end(struct cli_ways *ways, bool failed)
{
    bool json = ways->cli->args.json;
    int status = CKPT_OK;

    if (!failed && !ways->begun)
        ways_begin(ways);
    if (!json && ways->begun)
        status = cli_table_end(&ways->table);
    if (json && !failed) {
        json_end(ways);
        if (ways->json_text.error != 0 || ways->told_text.error != 0)
            status = CKPT_MEMORY;
        else
            cli_out_string(&ways->cli->out, cli_out_text(&ways->json_text));
    }
    cli_out_fini(&ways->json_text);
    cli_out_fini(&ways->told_text);
    return status;
}

void
cli_ways_counts(const struct cli_ways *ways, struct cli_out *out)
{
    const struct {
        uint64_t count;
        const char *what;
    } counts[] = {{ways->kept, " kept"},
                  {ways->changed, " changed"},
                  {ways->added, " added"},
                  {ways->dropped, " dropped"}};
    size_t i, shown = 0;

    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i].count == 0 && i > 0)
            continue;
        if (shown++ > 0)
            cli_out_string(out, ", ");
        cli_out_u64(out, counts[i].count);
        cli_out_string(out, counts[i].what);
    }
}
