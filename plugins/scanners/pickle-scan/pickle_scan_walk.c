/* SPDX-License-Identifier: MIT
 *
 * The walk: its window, its stack and memo, its list of globals. The opcodes
 * are in pickle_scan_opcodes.c.
 */
#include "pickle_scan_walk.h"

#include <stdio.h>
#include <string.h>

#include "pickle_scan_names.h"

#define STACK_MAX ((size_t)1 << 20)
#define MEMO_MAX ((uint64_t)4 << 20)
#define FAR_MAX 1024
#define GLOBALS_MAX 20000
#define STRANGE_OPCODES 8 /* as many in order are no chance */
#define WINDOW_BYTES ((size_t)8 << 10)
#define JUDGE_COST 2048 /* of a new name, and of each byte in it */
#define JUDGE_COST_BYTE 16

/* ---- The window ---- */

/* Makes the span hold `wanted` bytes from `at`, if there are as many; else
 * what there is. */
int
pickle_scan_need(struct pickle_scan_walk *walk, size_t wanted)
{
    uint64_t past = walk->at - walk->span_at;
    int status;

    if (walk->span.size_bytes > 0 && past <= walk->span.size_bytes &&
        walk->span.size_bytes - past >= wanted)
        return CKPT_OK;
    status = pickle_scan_peek(walk->view, walk->at,
                              wanted > WINDOW_BYTES ? wanted : WINDOW_BYTES,
                              &walk->span);
    walk->span_at = walk->at;
    if (status != CKPT_OK)
        walk->span.size_bytes = 0;
    return status;
}

void
pickle_scan_odd(struct pickle_scan_walk *walk, enum pickle_scan_oddity oddity)
{
    if (walk->oddities[oddity]++ == 0)
        walk->odd_bytes[oddity] = walk->opcode;
}

static int
grow(struct pickle_scan_walk *walk, void *array, size_t *capacity, size_t width)
{
    size_t wanted = *capacity * 2 + 64;
    void *old, *more;

    memcpy(&old, array, sizeof old);
    more = walk->host->reallocate(walk->host, old, wanted * width);
    if (more == NULL)
        return CKPT_MEMORY;
    memcpy(array, &more, sizeof more);
    *capacity = wanted;
    return CKPT_OK;
}

/* ---- The stack ---- */

int
pickle_scan_push(struct pickle_scan_walk *walk, struct pickle_scan_value value)
{
    int status = CKPT_OK;

    if (walk->stack_count >= STACK_MAX) {
        /* The lower half is given up: what is imported later is still seen. */
        pickle_scan_odd(walk, ODD_DEEP);
        walk->stack_count /= 2;
        memmove(walk->stack, walk->stack + walk->stack_count,
                walk->stack_count * sizeof *walk->stack);
    }
    if (walk->stack_count == walk->stack_capacity)
        status = grow(walk, &walk->stack, &walk->stack_capacity,
                      sizeof *walk->stack);
    if (status == CKPT_OK)
        walk->stack[walk->stack_count++] = value;
    return status;
}

struct pickle_scan_value
pickle_scan_take(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value value = walk->stack[--walk->stack_count];

    if (value.kind == VALUE_GLOBAL)
        walk->globals[value.at]->taken_count++;
    return value;
}

struct pickle_scan_value
pickle_scan_pop(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value nothing = {.kind = VALUE_UNKNOWN};

    if (walk->stack_count > 0)
        return pickle_scan_take(walk);
    pickle_scan_odd(walk, ODD_UNDERFLOW);
    return nothing;
}

/* ---- The memo ---- */

/* Enters a number that is not far so far. */
static int
far_put(struct pickle_scan_walk *walk, uint64_t index,
        struct pickle_scan_value value)
{
    size_t entry_bytes = sizeof *walk->far + sizeof *walk->far_index;
    size_t i = walk->far_count;
    uint64_t *slot;
    bool added;

    if (walk->far == NULL) {
        walk->far = walk->host->allocate(walk->host, FAR_MAX * entry_bytes);
        if (walk->far == NULL)
            return CKPT_MEMORY;
        walk->far_index = (uint64_t *)(void *)(walk->far + FAR_MAX);
    }
    if (i == FAR_MAX) {
        pickle_scan_odd(walk, ODD_DEEP);
        walk->memo_lost = true;
        return CKPT_OK;
    }
    walk->far_index[i] = index;
    slot = sdk_table_add(walk->host, &walk->far_table, &walk->far_index[i],
                         sizeof index, &added);
    if (slot == NULL)
        return CKPT_MEMORY;
    *slot = i;
    walk->far[i] = value;
    walk->memo_count++;
    walk->far_count++;
    return CKPT_OK;
}

/* The place of a number that is far; NULL if it is not. */
static struct pickle_scan_value *
far_find(const struct pickle_scan_walk *walk, uint64_t index)
{
    const uint64_t *slot = NULL;

    if (walk->far_count > 0)
        slot = sdk_table_find(&walk->far_table, &index, sizeof index);
    return slot != NULL ? &walk->far[*slot] : NULL;
}

int
pickle_scan_memo_put(struct pickle_scan_walk *walk, uint64_t index)
{
    struct pickle_scan_value value = {.kind = VALUE_UNKNOWN};
    struct pickle_scan_value *far = far_find(walk, index);
    int status = CKPT_OK;

    if (walk->stack_count > 0)
        value = walk->stack[walk->stack_count - 1];
    else
        pickle_scan_odd(walk, ODD_UNDERFLOW);
    if (far != NULL) {
        /* It was too far once, and its place stays there. */
        *far = value;
        return CKPT_OK;
    }
    /* Writers count up; what is far beyond their count would cost memory. */
    if (index >= MEMO_MAX || index > 2 * walk->opcode_count + 1024)
        return far_put(walk, index, value);
    while (status == CKPT_OK && index >= walk->memo_capacity)
        status =
            grow(walk, &walk->memo, &walk->memo_capacity, sizeof *walk->memo);
    if (status != CKPT_OK)
        return status;
    walk->memo_count += walk->memo[index].kind == VALUE_NOTHING;
    walk->memo[index] = value;
    return CKPT_OK;
}

int
pickle_scan_memo_get(struct pickle_scan_walk *walk, uint64_t index)
{
    struct pickle_scan_value value = {.kind = VALUE_NOTHING};
    const struct pickle_scan_value *far = far_find(walk, index);

    if (far != NULL)
        value = *far;
    else if (index < walk->memo_capacity)
        value = walk->memo[index];
    if (walk->memo_lost)
        value.kind = VALUE_UNKNOWN;
    if (value.kind == VALUE_NOTHING) {
        pickle_scan_odd(walk, ODD_MEMO);
        value.kind = VALUE_UNKNOWN;
    }
    return pickle_scan_push(walk, value);
}

/* ---- Texts ---- */

static int
hex_digit(unsigned char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 32;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Takes out the escapes of protocol 0, as far as a name could have them;
 * codes beyond ASCII stand as `?`. */
static void
unescape(char *text)
{
    const char *from = text;
    char *to = text;

    while (*from != '\0') {
        int digits = 0, value = 0, wanted;

        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        wanted = *from == 'x' ? 2 : *from == 'u' ? 4 : *from == 'U' ? 8 : 0;
        if (wanted == 0) {
            /* Octal, or a byte that stands for itself. */
            while (digits < 3 && *from >= '0' && *from <= '7') {
                value = value * 8 + *from++ - '0';
                digits++;
            }
            *to = digits > 0 ? (char)value : *from;
            from += digits == 0 && *from != '\0';
            to++;
            continue;
        }
        for (from++; digits < wanted && hex_digit((unsigned char)*from) >= 0;
             digits++)
            value = (value << 4 | hex_digit((unsigned char)*from++)) & 0xffff;
        *to++ = value > 0 && value < 0x80 ? (char)value : '?';
    }
    *to = '\0';
}

static void
unquote(char *text)
{
    size_t length = strlen(text);

    if (length > 0 && (text[0] == '\'' || text[0] == '"')) {
        memmove(text, text + 1, length--);
        if (length > 0 && (text[length - 1] == '\'' || text[length - 1] == '"'))
            text[length - 1] = '\0';
    }
    unescape(text);
}

int
pickle_scan_text(struct pickle_scan_walk *walk, struct pickle_scan_value value,
                 char **text)
{
    size_t got = 0;
    char *made;
    int status;

    *text = NULL;
    if ((value.kind != VALUE_TEXT && value.kind != VALUE_QUOTED &&
         value.kind != VALUE_BAG) ||
        value.size > PICKLE_SCAN_NAME_MAX ||
        (value.kind == VALUE_BAG && !value.size))
        return CKPT_OK;
    made = walk->host->allocate(walk->host, (size_t)value.size + 1);
    if (made == NULL)
        return CKPT_MEMORY;
    walk->span.size_bytes = 0;
    status = pickle_scan_copy(walk->view, value.at, made, value.size, &got);
    if (status != CKPT_OK) {
        walk->host->release(walk->host, made);
        return status;
    }
    made[got] = '\0';
    if (value.kind != VALUE_TEXT)
        unquote(made); /* of a container's text the kind is not kept */
    *text = made;
    return CKPT_OK;
}

/* ---- Globals ---- */

static int
global_new(struct pickle_scan_walk *walk, const char *module, const char *name,
           size_t *number)
{
    size_t module_bytes = strlen(module) + 1, name_bytes = strlen(name) + 1;
    struct pickle_scan_global *made;
    uint64_t *slot;
    bool added;
    int status = pickle_scan_charge(
        walk->view, JUDGE_COST + JUDGE_COST_BYTE * (module_bytes + name_bytes));

    if (status == CKPT_OK && walk->global_count == walk->global_capacity)
        status = grow(walk, &walk->globals, &walk->global_capacity,
                      sizeof *walk->globals);
    if (status != CKPT_OK)
        return status;
    made = walk->host->allocate(walk->host,
                                sizeof *made + module_bytes + name_bytes);
    if (made == NULL)
        return CKPT_MEMORY;
    made->module = (char *)(made + 1);
    made->name = made->module + module_bytes;
    memcpy(made->module, module, module_bytes);
    memcpy(made->name, name, name_bytes);
    made->severity =
        pickle_scan_judge(module, name, walk->view->script, &made->why);
    made->plain =
        pickle_scan_identifier(module) && pickle_scan_identifier(name);
    made->reaches = pickle_scan_is_getattr(module, name);
    walk->globals[walk->global_count] = made;
    slot = sdk_table_add(walk->host, &walk->index, made->module,
                         module_bytes + name_bytes - 1, &added);
    if (slot == NULL) {
        walk->host->release(walk->host, made);
        return CKPT_MEMORY;
    }
    *number = walk->global_count++;
    *slot = *number;
    return CKPT_OK;
}

static int
global_find(struct pickle_scan_walk *walk, const char *module, const char *name,
            size_t *number)
{
    char key[2 * PICKLE_SCAN_NAME_MAX + 2];
    size_t module_bytes = strlen(module) + 1, name_bytes = strlen(name);
    const uint64_t *slot;

    memcpy(key, module, module_bytes);
    memcpy(key + module_bytes, name, name_bytes);
    slot = sdk_table_find(&walk->index, key, module_bytes + name_bytes);
    if (slot == NULL)
        return global_new(walk, module, name, number);
    *number = (size_t)*slot;
    return CKPT_OK;
}

int
pickle_scan_import(struct pickle_scan_walk *walk, char *module, char *name)
{
    struct pickle_scan_value value = {.kind = VALUE_STRANGE};
    struct pickle_scan_global *global;
    size_t number = 0;
    int status = CKPT_OK;

    if (module != NULL && name != NULL)
        status = pickle_scan_charge(walk->view, strlen(module) + strlen(name));
    if (module == NULL || name == NULL) {
        pickle_scan_odd(walk, ODD_COMPUTED);
    } else if (status != CKPT_OK) {
        /* No more looking up. */
    } else if (walk->global_count >= GLOBALS_MAX) {
        pickle_scan_odd(walk, ODD_DEEP);
    } else {
        status = global_find(walk, module, name, &number);
        if (status == CKPT_OK) {
            global = walk->globals[number];
            if (global->import_count++ == 0)
                global->import_byte = walk->opcode;
            value.kind = VALUE_GLOBAL;
            value.at = number;
        }
    }
    walk->host->release(walk->host, module);
    walk->host->release(walk->host, name);
    return status == CKPT_OK ? pickle_scan_push(walk, value) : status;
}

/* ---- The whole ---- */

static int
take_step(struct pickle_scan_walk *walk, bool *done)
{
    int status = pickle_scan_need(walk, 16);

    if (status != CKPT_OK)
        return status;
    walk->opcode = walk->at;
    if (walk->at - walk->span_at >= walk->span.size_bytes) {
        walk->broken = "it ends before STOP";
        walk->cut = true;
        *done = true;
        return CKPT_OK;
    }
    walk->opcode_count++;
    return pickle_scan_step(walk, walk->span.data[walk->at++ - walk->span_at],
                            done);
}

int
pickle_scan_walk(const struct ckpt_host *host,
                 const struct pickle_scan_view *view, uint64_t at,
                 unsigned depth, struct pickle_scan_walk *walk)
{
    bool done = false;
    int status = CKPT_OK;

    walk->host = host;
    walk->view = view;
    walk->depth = depth;
    walk->begin = walk->at = at;
    while (status == CKPT_OK && !done) {
        status = take_step(walk, &done);
        if (status == CKPT_OK && (walk->opcode_count & 0xff) == 0xff)
            status = pickle_scan_charge(view, 16 * 0x100);
        if ((walk->opcode_count & 0xfffff) == 0xfffff && host->cancelled(host))
            status = CKPT_CANCELLED;
    }
    if (status == CKPT_OK)
        pickle_scan_settle(walk);
    return status;
}

void
pickle_scan_walk_end(struct pickle_scan_walk *walk)
{
    const struct ckpt_host *host = walk->host;
    size_t i;

    if (host == NULL)
        return;
    for (i = 0; i < walk->global_count; i++) {
        host->release(host, walk->globals[i]->argument);
        host->release(host, walk->globals[i]);
    }
    host->release(host, walk->globals);
    host->release(host, walk->stack);
    host->release(host, walk->memo);
    host->release(host, walk->far);
    sdk_table_fini(host, &walk->far_table);
    sdk_table_fini(host, &walk->index);
    memset(walk, 0, sizeof *walk);
}

/* Whether it does with imports that nobody can tell what only a pickle does.
 * Their opcodes alone, without calls, are common bytes. */
static bool
is_strange(const struct pickle_scan_walk *walk)
{
    bool steady =
        walk->oddities[ODD_MEMO] == 0 && walk->opcode_count >= STRANGE_OPCODES;

    if (walk->oddities[ODD_COMPUTED] == 0 && walk->oddities[ODD_EXTENSION] == 0)
        return false;
    return walk->oddities[ODD_CALL] > 0 ||
           (steady &&
            (walk->made_count > 0 || walk->oddities[ODD_CHANGED] > 0));
}

/* Bytes of another kind often begin with something that could be an opcode,
 * seldom with several, and they call nothing. */
bool
pickle_scan_is_pickle(const struct pickle_scan_walk *walk)
{
    /* Where values were given up, the stack runs empty here alone. */
    bool sound =
        walk->oddities[ODD_UNDERFLOW] == 0 || walk->oddities[ODD_DEEP] > 0;
    size_t i;

    if (sound && is_strange(walk))
        return true;
    for (i = 0; i < walk->global_count; i++) {
        const struct pickle_scan_global *global = walk->globals[i];

        if (global->plain &&
            (walk->proto || walk->stopped || global->call_count > 0 ||
             (sound && walk->oddities[ODD_CHANGED] > 0) ||
             global->severity == CKPT_SEVERITY_DANGEROUS))
            return true;
    }
    if (walk->proto)
        return sound && walk->opcode_count > (walk->stopped ? 2 : 3);
    return sound && walk->stopped && walk->opcode_count > 1;
}
