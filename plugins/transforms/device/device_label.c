/* SPDX-License-Identifier: MIT
 *
 * From the argument to pairs of labels. Labels that torch could never restore
 * are refused here; which devices there are is nobody's business but of the
 * machine that loads the file.
 */
#include "device_label.h"

#include <string.h>

struct device_type {
    const char *name;
    bool indexed; /* its storages are tagged with an index, 0 if none is told */
};

static const struct device_type types[] = {
    {"cpu", false}, {"mps", false}, {"cuda", true},
    {"xpu", true},  {"hpu", true},  {"mtia", true},
    {"npu", true},  {"xla", true},  {"privateuseone", true},
};

static const struct device_type *
type_find(const char *name, size_t length)
{
    size_t i;

    for (i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == length &&
            strncmp(types[i].name, name, length) == 0)
            return &types[i];
    return NULL;
}

/* TYPE or TYPE:INDEX. An index has no leading zero, as torch has it. */
static bool
label_formed(const char *text, size_t length, size_t *type_bytes)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    const char *colon = memchr(text, ':', length);
    size_t i, type = colon != NULL ? (size_t)(colon - text) : length;

    if (length == 0 || length > DEVICE_LABEL_BYTES - 3 || type == 0)
        return false;
    for (i = 0; i < type; i++)
        if (strchr(letters, text[i]) == NULL)
            return false;
    *type_bytes = type;
    if (colon == NULL)
        return true;
    for (i = type + 1; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return length > type + 1 && length < type + 5 &&
           (text[type + 1] != '0' || length == type + 2);
}

/* As torch would tag a storage that it moved there. */
static int
label_take(const struct ckpt_host *host, const char *text, size_t length,
           char to[DEVICE_LABEL_BYTES])
{
    const struct device_type *type;
    size_t type_bytes;

    if (!label_formed(text, length, &type_bytes))
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.*s' is no device", (int)length, text);
    type = type_find(text, type_bytes);
    if (type_bytes == 4 && memcmp(text, "meta", 4) == 0)
        return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                          "a tensor on 'meta' has no data, and a file without "
                          "data is no use to keep");
    if (type_bytes == 3 && memcmp(text, "cpu", 3) == 0 && length > 3)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.*s': there is one cpu, without an index",
                          (int)length, text);
    if (type == NULL)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "'%.*s' is no device that torch has by itself",
                   (int)type_bytes, text);
    if (type != NULL && !type->indexed)
        length = type_bytes;
    memcpy(to, text, length);
    to[length] = '\0';
    if (type != NULL && type->indexed && length == type_bytes)
        memcpy(to + length, ":0", 3);
    return CKPT_OK;
}

static int
pair_take(const struct ckpt_host *host, const char *text, size_t length,
          struct device_pair *pair)
{
    const char *equals = memchr(text, '=', length);

    if (equals == NULL)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.*s' is no pair FROM=TO", (int)length, text);
    pair->from = text;
    pair->from_bytes = (size_t)(equals - text);
    if (pair->from_bytes == 0)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.*s' does not say from where", (int)length, text);
    return label_take(host, equals + 1, length - pair->from_bytes - 1,
                      pair->to);
}

static int
pair_check_new(const struct ckpt_host *host, const struct device_pair *pairs,
               size_t count)
{
    const struct device_pair *last = &pairs[count];
    size_t i;

    for (i = 0; i < count; i++)
        if (pairs[i].from_bytes == last->from_bytes &&
            memcmp(pairs[i].from, last->from, last->from_bytes) == 0)
            return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                              "'%.*s' is sent to two devices",
                              (int)last->from_bytes, last->from);
    return CKPT_OK;
}

static int
pairs_take(const struct ckpt_host *host, const char *text,
           struct device_pair *pairs, size_t *count)
{
    size_t length;
    int status = CKPT_OK;

    if (strchr(text, '=') == NULL && strchr(text, ',') == NULL) {
        *count = 1;
        return label_take(host, text, strlen(text), pairs->to);
    }
    for (*count = 0; status == CKPT_OK; ++*count) {
        length = strcspn(text, ",");
        status = pair_take(host, text, length, &pairs[*count]);
        if (status == CKPT_OK)
            status = pair_check_new(host, pairs, *count);
        if (text[length] == '\0') {
            ++*count;
            break;
        }
        text += length + 1;
    }
    return status;
}

int
device_parse(const struct ckpt_host *host, const char *argument,
             struct device_pair **pairs, size_t *count)
{
    struct device_pair *taken;
    const char *at = argument;
    size_t room = 1, used = 0;
    int status;

    while ((at = strchr(at, ',')) != NULL) {
        room++;
        at++;
    }
    taken = host->allocate(host, room * sizeof *taken);
    if (taken == NULL)
        return CKPT_MEMORY;
    status = pairs_take(host, argument, taken, &used);
    if (status != CKPT_OK) {
        host->release(host, taken);
        return status;
    }
    *pairs = taken;
    *count = used;
    return CKPT_OK;
}
