/* SPDX-License-Identifier: MIT
 *
 * Words: strings and globals that a pickle holds once and then fetches from
 * its memo, in a hash table by content.
 */
#include "pickle_write.h"

#include <string.h>

static uint32_t
pickle_hash(uint32_t hash, const char *text, size_t size_bytes)
{
    size_t i;

    for (i = 0; i < size_bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT32_C(16777619);
    return hash;
}

static uint32_t
pickle_word_hash(const struct sdk_pickler_word *word)
{
    uint32_t hash = UINT32_C(2166136261);

    if (word->module != NULL)
        hash = pickle_hash(hash, word->module, strlen(word->module) + 1);
    return pickle_hash(hash, word->text, word->size_bytes);
}

static bool
pickle_word_equal(const struct sdk_pickler_word *a,
                  const struct sdk_pickler_word *b)
{
    if (a->hash != b->hash || a->size_bytes != b->size_bytes ||
        (a->module == NULL) != (b->module == NULL))
        return false;
    if (a->module != NULL && strcmp(a->module, b->module) != 0)
        return false;
    return memcmp(a->text, b->text, a->size_bytes) == 0;
}

/* The slot where the word is, or where it belongs. */
static uint32_t
pickle_slot(const struct sdk_pickler *pickle,
            const struct sdk_pickler_word *word)
{
    uint32_t slot = word->hash & (pickle->slot_count - 1);

    while (pickle->slots[slot] != 0 &&
           !pickle_word_equal(&pickle->words[pickle->slots[slot] - 1], word))
        slot = (slot + 1) & (pickle->slot_count - 1);
    return slot;
}

/* Twice the slots and words. */
static int
pickle_words_grow(struct sdk_pickler *pickle)
{
    const struct ckpt_host *host = pickle->host;
    uint32_t i, count = pickle->slot_count ? 2 * pickle->slot_count : 64;
    struct sdk_pickler_word *words;
    uint32_t *slots;

    if (count > UINT32_C(1) << 30)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "more than 536870912 names in a pickle");
    words = host->reallocate(host, pickle->words, sizeof *words * (count / 2));
    if (words == NULL)
        return CKPT_MEMORY;
    pickle->words = words;
    pickle->word_capacity = count / 2;
    slots = host->allocate(host, sizeof *slots * count);
    if (slots == NULL)
        return CKPT_MEMORY;
    host->release(host, pickle->slots);
    pickle->slots = slots;
    pickle->slot_count = count;
    for (i = 0; i < pickle->word_count; i++)
        slots[pickle_slot(pickle, &words[i])] = i + 1;
    return CKPT_OK;
}

/* The bit of a size in string_sizes. */
static uint64_t
pickle_size_bit(size_t size_bytes)
{
    return UINT64_C(1) << (size_bytes < 63 ? size_bytes : 63);
}

/* Finds or adds. */
static uint32_t
pickle_word_number(struct sdk_pickler *pickle, struct sdk_pickler_word *word)
{
    uint32_t slot;

    if (pickle->status == CKPT_OK &&
        pickle->word_count == pickle->word_capacity)
        pickle->status = pickle_words_grow(pickle);
    if (pickle->status != CKPT_OK)
        return 0;
    word->hash = pickle_word_hash(word);
    slot = pickle_slot(pickle, word);
    if (pickle->slots[slot] != 0)
        return pickle->slots[slot] - 1;
    pickle->words[pickle->word_count] = *word;
    pickle->slots[slot] = ++pickle->word_count;
    if (word->module == NULL)
        pickle->string_sizes |= pickle_size_bit(word->size_bytes);
    return pickle->word_count - 1;
}

uint32_t
sdk_pickler_string_word(struct sdk_pickler *pickle, const char *text,
                        size_t size_bytes)
{
    struct sdk_pickler_word word = {.text = text, .size_bytes = size_bytes};

    return pickle_word_number(pickle, &word);
}

uint32_t
sdk_pickler_find_string(const struct sdk_pickler *pickle, const char *text,
                        size_t size_bytes)
{
    struct sdk_pickler_word word = {.text = text, .size_bytes = size_bytes};

    if (!(pickle->string_sizes & pickle_size_bit(size_bytes)))
        return UINT32_MAX;
    word.hash = pickle_word_hash(&word);
    return pickle->slots[pickle_slot(pickle, &word)] - 1;
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
pickle_rename(struct sdk_pickler_word *word)
{
    const struct pickle_rename *r = pickle_renames;
    const struct pickle_rename *end =
        r + sizeof pickle_renames / sizeof *pickle_renames;

    for (; r < end; r++) {
        if (strcmp(word->module, r->module) != 0 ||
            (r->name != NULL && strcmp(word->text, r->name) != 0))
            continue;
        word->module = r->old_module;
        if (r->old_name != NULL)
            word->text = r->old_name;
        word->size_bytes = strlen(word->text);
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

uint32_t
sdk_pickler_global_word(struct sdk_pickler *pickle, const char *module,
                        const char *name)
{
    struct sdk_pickler_word word = {
        .module = module, .text = name, .size_bytes = strlen(name)};

    if (!pickle_name_fits(module) || !pickle_name_fits(name)) {
        if (pickle->status == CKPT_OK)
            pickle->status = pickle->host->fail(
                pickle->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                "protocol 2 cannot name '%.60s' of module '%.60s'", name,
                module);
        return 0;
    }
    pickle_rename(&word);
    return pickle_word_number(pickle, &word);
}

static void
pickle_word_first(struct sdk_pickler *pickle,
                  const struct sdk_pickler_word *word)
{
    if (word->module == NULL) {
        sdk_pickler_text(pickle, word->text, word->size_bytes);
        return;
    }
    sdk_pickler_op(pickle, SDK_OP_GLOBAL);
    sdk_pickler_bytes(pickle, word->module, strlen(word->module));
    sdk_pickler_op(pickle, '\n');
    sdk_pickler_bytes(pickle, word->text, word->size_bytes);
    sdk_pickler_op(pickle, '\n');
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
