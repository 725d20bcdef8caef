/* SPDX-License-Identifier: MIT
 *
 * Words: strings and globals that a pickle holds once and then fetches from
 * its memo. Globals are kept as the two lines that protocol 2 writes.
 */
#include "pickle_write.h"

#include <stdio.h>
#include <string.h>

/* Twice the words. */
static int
pickle_words_grow(struct sdk_pickler *pickle)
{
    const struct ckpt_host *host = pickle->host;
    uint32_t count = pickle->word_capacity ? 2 * pickle->word_capacity : 32;
    struct sdk_pickler_word *words;

    if (count > UINT32_C(1) << 29)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "more than 536870912 names in a pickle");
    words = host->reallocate(host, pickle->words, sizeof *words * count);
    if (words == NULL)
        return CKPT_MEMORY;
    pickle->words = words;
    pickle->word_capacity = count;
    return CKPT_OK;
}

/* Finds or adds. */
static uint32_t
pickle_word_number(struct sdk_pickler *pickle, struct sdk_table *table,
                   const struct sdk_pickler_word *word, bool *added)
{
    uint64_t *number;

    *added = false;
    if (pickle->status == CKPT_OK &&
        pickle->word_count == pickle->word_capacity)
        pickle->status = pickle_words_grow(pickle);
    if (pickle->status != CKPT_OK)
        return 0;
    number =
        sdk_table_add(pickle->host, table, word->text, word->size_bytes, added);
    if (number == NULL) {
        pickle->status = CKPT_MEMORY;
        return 0;
    }
    if (*added) {
        *number = pickle->word_count++;
        pickle->words[*number] = *word;
    }
    return (uint32_t)*number;
}

uint32_t
sdk_pickler_string_word(struct sdk_pickler *pickle, const char *text,
                        size_t size_bytes)
{
    struct sdk_pickler_word word = {.text = text, .size_bytes = size_bytes};
    bool added;

    return pickle_word_number(pickle, &pickle->strings, &word, &added);
}

uint32_t
sdk_pickler_find_string(const struct sdk_pickler *pickle, const char *text,
                        size_t size_bytes)
{
    const uint64_t *number = sdk_table_find(&pickle->strings, text, size_bytes);

    return number != NULL ? (uint32_t)*number : UINT32_MAX;
}

struct pickle_rename {
    const char *module, *name, *old_module, *old_name; /* NULL: any, as is */
};

/* Python 3's names that protocol 2 writes as those of Python 2. */
static const struct pickle_rename pickle_renames[] = {
    {"builtins", "range", "__builtin__", "xrange"},
    {"builtins", "str", "__builtin__", "unicode"},
    {"builtins", "int", "__builtin__", "long"},
    {"builtins", "chr", "__builtin__", "unichr"},
    {"builtins", "map", "itertools", "imap"},
    {"builtins", "filter", "itertools", "ifilter"},
    {"builtins", "zip", "itertools", "izip"},
    {"builtins", NULL, "__builtin__", NULL},
    {"copyreg", NULL, "copy_reg", NULL},
    {"functools", "reduce", "__builtin__", "reduce"},
    {"collections", "UserDict", "UserDict", "IterableUserDict"},
    {"collections", "UserList", "UserList", "UserList"},
    {"collections", "UserString", "UserString", "UserString"},
    {"pickle", NULL, "cPickle", NULL},
    {"queue", NULL, "Queue", NULL}};

static void
pickle_rename(const char **module, const char **name)
{
    const struct pickle_rename *r = pickle_renames;
    const struct pickle_rename *end =
        r + sizeof pickle_renames / sizeof *pickle_renames;

    for (; r < end; r++) {
        if (strcmp(*module, r->module) != 0 ||
            (r->name != NULL && strcmp(*name, r->name) != 0))
            continue;
        *module = r->old_module;
        if (r->old_name != NULL)
            *name = r->old_name;
        return;
    }
}

/* Protocol 2 ends both names by newlines, and they are ASCII. */
static bool
pickle_name_fits(const char *name)
{
    const char *p;

    for (p = name; *p != 0; p++)
        if (*p == '\n' || (unsigned char)*p >= 0x80)
            return false;
    return p > name;
}

static uint32_t
pickle_global_number(struct sdk_pickler *pickle, const char *module,
                     const char *name)
{
    const struct ckpt_host *host = pickle->host;
    size_t size_bytes = strlen(module) + strlen(name) + 2;
    char *lines = host->allocate(host, size_bytes + 1);
    struct sdk_pickler_word word = {
        .text = lines, .size_bytes = size_bytes, .lines = lines};
    uint32_t number;
    bool added;

    if (lines == NULL) {
        pickle->status = CKPT_MEMORY;
        return 0;
    }
    snprintf(lines, size_bytes + 1, "%s\n%s\n", module, name);
    number = pickle_word_number(pickle, &pickle->globals, &word, &added);
    if (!added)
        host->release(host, lines);
    return number;
}

uint32_t
sdk_pickler_global_word(struct sdk_pickler *pickle, const char *module,
                        const char *name)
{
    if (pickle->status != CKPT_OK)
        return 0;
    if (!pickle_name_fits(module) || !pickle_name_fits(name)) {
        pickle->status = pickle->host->fail(
            pickle->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
            "protocol 2 cannot name '%.60s' of module '%.60s'", name, module);
        return 0;
    }
    pickle_rename(&module, &name);
    return pickle_global_number(pickle, module, name);
}

static void
pickle_word_first(struct sdk_pickler *pickle,
                  const struct sdk_pickler_word *word)
{
    if (word->lines == NULL) {
        sdk_pickler_text(pickle, word->text, word->size_bytes);
        return;
    }
    sdk_pickler_op(pickle, SDK_OP_GLOBAL);
    sdk_pickler_bytes(pickle, word->text, word->size_bytes);
}

void
sdk_pickler_word(struct sdk_pickler *pickle, uint32_t number)
{
    struct sdk_pickler_word *word;

    if (pickle->status != CKPT_OK)
        return;
    word = &pickle->words[number];
    if (word->memo != 0) {
        sdk_pickler_get(pickle, word->memo - 1);
        return;
    }
    pickle_word_first(pickle, word);
    word->memo = sdk_pickler_put(pickle) + 1;
}

void
sdk_pickler_string(struct sdk_pickler *pickle, const char *text)
{
    sdk_pickler_word(pickle,
                     sdk_pickler_string_word(pickle, text, strlen(text)));
}

void
sdk_pickler_global(struct sdk_pickler *pickle, const char *module,
                   const char *name)
{
    sdk_pickler_word(pickle, sdk_pickler_global_word(pickle, module, name));
}
