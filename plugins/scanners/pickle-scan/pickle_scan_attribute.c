/* SPDX-License-Identifier: MIT
 *
 * `getattr(Class, 'name')`, as Python 3.11 writes the members of an enum: with
 * both in the file it reaches no more than the import of `Class.name` does,
 * and is judged as that. Whatever else `getattr` is given reaches anything.
 */
#include <stdio.h>
#include <string.h>

#include "pickle_scan_names.h"
#include "pickle_scan_walk.h"

bool
pickle_scan_is_getattr(const char *module, const char *name)
{
    return strcmp(name, "getattr") == 0 &&
           (strcmp(module, "builtins") == 0 ||
            strcmp(module, "__builtin__") == 0 ||
            strcmp(module, "__builtins__") == 0);
}

/* The attribute's name as it stands in the file: no escapes, one part. */
static int
attribute_text(struct pickle_scan_walk *walk, struct pickle_scan_value pair,
               char **text)
{
    char *made = NULL;
    int status = pickle_scan_text(walk, pair, &made);
    size_t length = made != NULL ? strlen(made) : 0;

    if (made != NULL &&
        ((length != pair.size && length + 2 != pair.size) ||
         !pickle_scan_identifier(made) || strchr(made, '.') != NULL)) {
        walk->host->release(walk->host, made);
        made = NULL;
    }
    *text = made;
    return status;
}

/* "module" and "Class.name", each in memory of its own. */
static int
attribute_names(struct pickle_scan_walk *walk,
                const struct pickle_scan_global *base, const char *attribute,
                char *names[2])
{
    const struct ckpt_host *host = walk->host;
    size_t module_bytes = strlen(base->module) + 1,
           name_bytes = strlen(base->name) + strlen(attribute) + 2;

    names[0] = host->allocate(host, module_bytes);
    names[1] = host->allocate(host, name_bytes);
    if (names[0] == NULL || names[1] == NULL) {
        host->release(host, names[0]);
        host->release(host, names[1]);
        return CKPT_MEMORY;
    }
    memcpy(names[0], base->module, module_bytes);
    snprintf(names[1], name_bytes, "%s.%s", base->name, attribute);
    return CKPT_OK;
}

int
pickle_scan_reach(struct pickle_scan_walk *walk,
                  struct pickle_scan_value callee,
                  struct pickle_scan_value arguments, bool *reached)
{
    struct pickle_scan_global *getattr = walk->globals[callee.at];
    const struct pickle_scan_global *base;
    char *attribute = NULL, *names[2] = {NULL, NULL};
    uint32_t severity;
    int status = CKPT_OK;

    if (!getattr->reaches || !arguments.pair)
        return CKPT_OK;
    base = walk->globals[arguments.inner - 1];
    if (base->plain)
        status = attribute_text(walk, arguments, &attribute);
    if (status != CKPT_OK || attribute == NULL)
        return status;
    if (strlen(base->name) + strlen(attribute) < PICKLE_SCAN_NAME_MAX)
        status = attribute_names(walk, base, attribute, names);
    walk->host->release(walk->host, attribute);
    if (status != CKPT_OK || names[0] == NULL)
        return status;
    severity = base->severity;
    status = pickle_scan_import(walk, names[0], names[1]);
    if (status != CKPT_OK)
        return status;
    callee = walk->stack[walk->stack_count - 1];
    if (callee.kind != VALUE_GLOBAL)
        severity = CKPT_SEVERITY_DANGEROUS;
    else if (walk->globals[callee.at]->severity > severity)
        severity = walk->globals[callee.at]->severity;
    if (severity > getattr->reached_severity)
        getattr->reached_severity = severity;
    getattr->reached_count++;
    *reached = true;
    return CKPT_OK;
}

void
pickle_scan_settle(const struct pickle_scan_walk *walk)
{
    size_t i;

    for (i = 0; i < ODD_COUNT; i++)
        if (walk->oddities[i] > 0)
            return;
    for (i = 0; i < walk->global_count; i++) {
        struct pickle_scan_global *global = walk->globals[i];

        /* Each time it was taken from the stack was such a call. */
        if (!global->reaches || global->set_count > 0 ||
            global->reached_count == 0 ||
            global->reached_count != global->taken_count)
            continue;
        if (global->reached_severity == CKPT_SEVERITY_DANGEROUS)
            continue;
        global->severity = global->reached_severity;
        global->why = "reaches what the file names";
    }
}
