/* SPDX-License-Identifier: MIT
 *
 * Values of a graph as JSON.
 */
#ifndef CLI_VALUE_JSON_H
#define CLI_VALUE_JSON_H

#include "json_out.h"
#include "walk.h"

/* The array behind "values": every value but the tensors that have names,
 * flat, each {"name","type","value"}:
 *   scalars      none is null; complex is [re, im]; bytes are base64; a size
 *                is an array; an int too wide for decimal is a string
 *   containers   value null, "count", and "class" where it has one; what they
 *                contain follows
 *   objects      value is the qualified name; its parts follow as args,
 *                kwargs, state, items, pairs
 *   attributes   follow what they belong to, with `@` before their name
 *   what was met before: type "same", value its first name. */
void cli_json_values(struct cli_json *json, struct cli_walk *walk);

/* The value of a scalar, as above; null if it is none. */
void cli_json_scalar(struct cli_json *json, const struct ckpt_value *value);

/* The qualified name of an object, as a string. */
void cli_json_object_name(struct cli_json *json,
                          const struct ckpt_object *object);

/* The object behind "attributes": those of the graph, nested. Lists and
 * tuples are arrays; a map with keys that are no strings is an array of
 * pairs; an object is {"object":NAME,...}. */
void cli_json_attributes(struct cli_json *json, struct cli_walk *walk);

#endif
