/* SPDX-License-Identifier: MIT
 *
 * `ckpt ls --json`. The keys are a promise: scripts depend on them.
 */
#include "listing.h"
#include "optimizer.h"
#include "value_json.h"

static const char *
json_role(uint32_t role)
{
    return role == CKPT_ROLE_PARAMETER ? "parameter"
           : role == CKPT_ROLE_BUFFER  ? "buffer"
                                       : "unknown";
}

static void
json_shape(struct cli_json *json, const uint64_t *shape, uint32_t rank)
{
    cli_json_item(json);
    cli_out_shape(json->out, shape, rank);
}

/* Present only where signs are turned: the digest is of the values. */
static void
json_flips(struct cli_json *json, uint32_t flips)
{
    cli_json_key(json, "conjugate");
    cli_json_bool(json, (flips & CKPT_FLIP_CONJUGATE) != 0);
    cli_json_key(json, "negative");
    cli_json_bool(json, (flips & CKPT_FLIP_NEGATIVE) != 0);
}

static void
json_tensor(struct cli_json *json, const struct cli_row *row,
            const unsigned char digest[32])
{
    const struct ckpt_tensor *tensor = row->entry->value->as.tensor;
    const struct ckpt_text *name = &row->entry->name;

    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "name");
    cli_json_text(json, name->data, name->size_bytes);
    cli_json_key(json, "dtype");
    cli_json_string(json, ckpt_dtype_name(tensor->dtype));
    cli_json_key(json, "shape");
    json_shape(json, tensor->shape, tensor->rank);
    cli_json_key(json, "stride");
    json_shape(json, tensor->strides, tensor->rank);
    cli_json_key(json, "offset");
    cli_json_u64(json, tensor->offset);
    cli_json_key(json, "storage");
    cli_json_u64(json, tensor->storage->id);
    cli_json_key(json, "device");
    cli_json_string(json, tensor->storage->device);
    cli_json_key(json, "size_bytes");
    cli_json_u64(json, tensor->size_bytes);
    cli_json_key(json, "role");
    cli_json_string(json, json_role(tensor->role));
    cli_json_key(json, "requires_grad");
    cli_json_bool(json, tensor->requires_grad);
    if (tensor->type_name != NULL) {
        cli_json_key(json, "class");
        cli_json_string(json, tensor->type_name);
    }
    if (tensor->flips != 0)
        json_flips(json, tensor->flips);
    if (digest != NULL && tensor->storage->place == CKPT_PLACE_ABSENT) {
        cli_json_key(json, "sha256");
        cli_json_item(json);
        cli_out_string(json->out, "null");
    } else if (digest != NULL) {
        cli_json_key(json, "sha256");
        cli_json_item(json);
        cli_out_char(json->out, '"');
        cli_out_hex(json->out, digest, 32);
        cli_out_char(json->out, '"');
    }
    cli_json_close(json, '}');
}

/* With a walk of its own: it enters what the values enter too. */
static int
json_optimizers(struct cli_json *json, const struct cli_listing *listing)
{
    struct cli_optimizers optimizers = {0};
    struct cli_walk walk;
    int status = cli_walk_init(&walk, listing->graph);

    if (status == CKPT_OK)
        status = cli_optimizers_find(&optimizers, listing->file, &walk);
    if (status == CKPT_OK) {
        cli_json_key(json, "optimizers");
        cli_optimizers_json(json, &walk, &optimizers);
    }
    cli_walk_fini(&walk);
    return status;
}

int
cli_listing_json(struct cli_out *out, const struct cli_listing *listing)
{
    struct cli_json json = {.out = out};
    struct cli_walk walk;
    size_t i;
    int status = cli_walk_init(&walk, listing->graph);

    if (status != CKPT_OK)
        return status;
    cli_json_open(&json, '{');
    cli_json_key(&json, "file");
    cli_json_string(&json, listing->info->path);
    cli_json_key(&json, "format");
    cli_json_string(&json, listing->info->format);
    cli_json_key(&json, "tensors");
    cli_json_open(&json, '[');
    for (i = 0; i < listing->row_count; i++)
        json_tensor(&json, &listing->rows[i],
                    listing->digests ? listing->digests[i] : NULL);
    cli_json_break(&json);
    cli_json_close(&json, ']');
    cli_json_key(&json, "values");
    cli_json_values(&json, &walk);
    cli_json_key(&json, "attributes");
    cli_json_attributes(&json, &walk);
    if (listing->optimizers)
        status = json_optimizers(&json, listing);
    cli_json_close(&json, '}');
    cli_out_char(out, '\n');
    cli_walk_fini(&walk);
    return status;
}
