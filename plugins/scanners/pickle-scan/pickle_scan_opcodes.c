/* SPDX-License-Identifier: MIT
 *
 * What each opcode does to the stack, as far as it matters here.
 *
 *   operands   none, 1 to 8 bytes, a line, or a length and as many bytes
 *   values     see enum pickle_scan_value_kind
 */
#include "pickle_scan_walk.h"

#include <string.h>

#define PROTOCOL_MAX 5
#define MEMO_DIGITS 10

/* 0x1950a86a20f9469cfc6c, as LONG1 and as text have it. */
static const unsigned char magic_bytes[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                              0x20, 0x6a, 0xa8, 0x50, 0x19};
static const char magic_text[] = "119547037146038801333356";

static const struct pickle_scan_value unknown = {.kind = VALUE_UNKNOWN};
static const struct pickle_scan_value strange = {.kind = VALUE_STRANGE};
static const struct pickle_scan_value data = {.kind = VALUE_DATA};
static const struct pickle_scan_value empty = {.kind = VALUE_BAG};
static const struct pickle_scan_value mark = {.kind = VALUE_MARK};

/* ---- Values ---- */

static int
push_number(struct pickle_scan_walk *walk, unsigned width, bool *done)
{
    uint64_t value;
    int status = pickle_scan_number(walk, width, &value, done);

    return status == CKPT_OK && !*done ? pickle_scan_push(walk, data) : status;
}

/* A length of `width` bytes and the bytes; what they hold is looked at. */
static int
push_bytes(struct pickle_scan_walk *walk, unsigned width, bool *done)
{
    struct pickle_scan_value value = {.kind = VALUE_TEXT};
    uint64_t size = 0;
    int status = pickle_scan_number(walk, width, &size, done);

    if (status != CKPT_OK || *done)
        return status;
    value.at = walk->at;
    value.size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    status = pickle_scan_skip(walk, size, done);
    if (status == CKPT_OK && !*done && size >= 4)
        status = pickle_scan_look_inside(walk, value);
    return status == CKPT_OK && !*done ? pickle_scan_push(walk, value) : status;
}

static int
push_long(struct pickle_scan_walk *walk, unsigned width, bool *done)
{
    struct pickle_scan_value value = data;
    uint64_t size = 0;
    int status = pickle_scan_number(walk, width, &size, done);

    if (status == CKPT_OK && !*done && size == sizeof magic_bytes)
        status = pickle_scan_need(walk, sizeof magic_bytes);
    if (status != CKPT_OK || *done)
        return status;
    if (size == sizeof magic_bytes &&
        walk->span.size_bytes - (walk->at - walk->span_at) >= size &&
        memcmp(walk->span.data + (walk->at - walk->span_at), magic_bytes,
               sizeof magic_bytes) == 0)
        value.kind = VALUE_MAGIC;
    status = pickle_scan_skip(walk, size, done);
    return status == CKPT_OK && !*done ? pickle_scan_push(walk, value) : status;
}

static int
push_line(struct pickle_scan_walk *walk, unsigned opcode, bool *done)
{
    struct pickle_scan_value value = {0};
    int status = pickle_scan_line(walk, &value, done);

    if (status != CKPT_OK || *done)
        return status;
    if (opcode == 'S' || opcode == 'V') {
        value.kind = VALUE_QUOTED;
        status =
            value.size >= 4 ? pickle_scan_look_inside(walk, value) : CKPT_OK;
    } else if (opcode == 'L' && value.size >= sizeof magic_text - 1 &&
               pickle_scan_need(walk, 1) == CKPT_OK) {
        char *text = NULL;

        status = pickle_scan_text(walk, value, &text);
        value.kind = text != NULL && strncmp(text, magic_text,
                                             sizeof magic_text - 1) == 0
                         ? VALUE_MAGIC
                         : VALUE_DATA;
        walk->host->release(walk->host, text);
    } else {
        value.kind = VALUE_DATA;
    }
    return status == CKPT_OK ? pickle_scan_push(walk, value) : status;
}

/* ---- Imports ---- */

static int
import_lines(struct pickle_scan_walk *walk, bool *done)
{
    struct pickle_scan_value module = {0}, name = {0};
    char *texts[2] = {NULL, NULL};
    int status = pickle_scan_line(walk, &module, done);

    if (status == CKPT_OK && !*done)
        status = pickle_scan_line(walk, &name, done);
    if (status != CKPT_OK || *done)
        return status;
    status = pickle_scan_text(walk, module, &texts[0]);
    if (status == CKPT_OK)
        status = pickle_scan_text(walk, name, &texts[1]);
    if (status == CKPT_OK)
        return pickle_scan_import(walk, texts[0], texts[1]);
    walk->host->release(walk->host, texts[0]);
    return status;
}

static bool
may_be_text(struct pickle_scan_value value)
{
    return value.kind == VALUE_TEXT || value.kind == VALUE_QUOTED ||
           value.kind == VALUE_UNKNOWN || value.kind == VALUE_STRANGE ||
           value.kind == VALUE_MADE;
}

static int
import_stack(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value name = pickle_scan_pop(walk),
                             module = pickle_scan_pop(walk);
    char *texts[2] = {NULL, NULL};
    int status = CKPT_OK;

    if (module.kind == VALUE_TEXT || module.kind == VALUE_QUOTED)
        status = pickle_scan_text(walk, module, &texts[0]);
    if (status == CKPT_OK &&
        (name.kind == VALUE_TEXT || name.kind == VALUE_QUOTED))
        status = pickle_scan_text(walk, name, &texts[1]);
    if (status == CKPT_OK) {
        /* What can be no text is refused by every loader. */
        walk->made_count += (texts[0] == NULL || texts[1] == NULL) &&
                            may_be_text(module) && may_be_text(name);
        return pickle_scan_import(walk, texts[0], texts[1]);
    }
    walk->host->release(walk->host, texts[0]);
    return status;
}

static int
import_number(struct pickle_scan_walk *walk, unsigned width, bool *done)
{
    uint64_t code;
    int status = pickle_scan_number(walk, width, &code, done);

    if (status != CKPT_OK || *done)
        return status;
    pickle_scan_odd(walk, ODD_EXTENSION);
    return pickle_scan_push(walk, strange);
}

/* ---- Calls ---- */

/* `callee` is called; pushes what it makes. */
static int
call(struct pickle_scan_walk *walk, struct pickle_scan_value callee,
     struct pickle_scan_value arguments)
{
    struct pickle_scan_value made = unknown;
    struct pickle_scan_global *global;
    bool reached = false;
    int status = CKPT_OK;

    if (callee.kind == VALUE_GLOBAL)
        status = pickle_scan_reach(walk, callee, arguments, &reached);
    if (status != CKPT_OK)
        return status;
    if (callee.kind == VALUE_GLOBAL || callee.kind == VALUE_MADE) {
        global = walk->globals[callee.at];
        if (global->call_count++ == 0) {
            global->call_byte = walk->opcode;
            if (global->severity > CKPT_SEVERITY_NOTE)
                status = pickle_scan_text(walk, arguments, &global->argument);
        }
        made.kind = VALUE_MADE;
        made.at = callee.at;
    } else {
        pickle_scan_odd(walk, ODD_CALL);
    }
    return status == CKPT_OK && !reached ? pickle_scan_push(walk, made)
                                         : status;
}

/* The state or the items of something: its own code takes them. */
static void
set(struct pickle_scan_walk *walk)
{
    const struct pickle_scan_value *target;
    struct pickle_scan_global *global;

    if (walk->stack_count == 0) {
        pickle_scan_odd(walk, ODD_UNDERFLOW);
        return;
    }
    target = &walk->stack[walk->stack_count - 1];
    if (target->kind == VALUE_GLOBAL || target->kind == VALUE_STRANGE)
        pickle_scan_odd(walk, ODD_CHANGED);
    if (target->kind != VALUE_MADE && target->kind != VALUE_GLOBAL)
        return;
    global = walk->globals[target->at];
    if (global->set_count++ == 0)
        global->set_byte = walk->opcode;
}

/* Remembers the first text and the first global of a container, the values
 * coming last to first. */
static void
bag_add(struct pickle_scan_value *bag, struct pickle_scan_value value)
{
    if (value.kind == VALUE_TEXT || value.kind == VALUE_QUOTED) {
        bag->at = value.at;
        bag->size = value.size;
    }
    if (value.kind == VALUE_GLOBAL || value.kind == VALUE_MADE)
        bag->inner = (uint32_t)value.at + 1;
}

static bool
is_pair(struct pickle_scan_value first, struct pickle_scan_value second)
{
    return first.kind == VALUE_GLOBAL &&
           (second.kind == VALUE_TEXT || second.kind == VALUE_QUOTED);
}

/* Takes all above the top mark, and the mark; `first` is the lowest. */
static void
take_marked(struct pickle_scan_walk *walk, struct pickle_scan_value *first,
            struct pickle_scan_value *contents)
{
    struct pickle_scan_value second = unknown;
    size_t count = 0;

    *first = unknown;
    *contents = empty;
    while (walk->stack_count > 0) {
        struct pickle_scan_value value = pickle_scan_take(walk);

        if (value.kind == VALUE_MARK) {
            contents->pair = count == 2 && is_pair(*first, second);
            return;
        }
        bag_add(contents, value);
        second = *first;
        *first = value;
        count++;
    }
    pickle_scan_odd(walk, ODD_UNDERFLOW);
}

static int
collect(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value first, contents;

    take_marked(walk, &first, &contents);
    return pickle_scan_push(walk, contents);
}

static int
collect_few(struct pickle_scan_walk *walk, unsigned count)
{
    struct pickle_scan_value contents = empty, first = unknown, second;
    bool two = count == 2;

    while (count-- > 0) {
        second = first;
        first = pickle_scan_pop(walk);
        bag_add(&contents, first);
    }
    contents.pair = two && is_pair(first, second);
    return pickle_scan_push(walk, contents);
}

/* What the container looks up: a class, if it is one that the key names. */
static int
persistent(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value key = pickle_scan_pop(walk), found = data;

    if (key.kind == VALUE_BAG && key.inner > 0) {
        found.kind = VALUE_MADE;
        found.at = key.inner - 1;
    }
    return pickle_scan_push(walk, found);
}

static int
call_top(struct pickle_scan_walk *walk, bool keywords)
{
    struct pickle_scan_value arguments, callee;

    if (keywords)
        pickle_scan_pop(walk);
    arguments = pickle_scan_pop(walk);
    callee = pickle_scan_pop(walk);
    return call(walk, callee, arguments);
}

/* OBJ: mark, class, arguments. INST: mark, arguments; the class in lines. */
static int
instance(struct pickle_scan_walk *walk, bool named, bool *done)
{
    struct pickle_scan_value first, text, callee;
    int status = CKPT_OK;

    if (named) {
        status = import_lines(walk, done);
        if (status != CKPT_OK || *done)
            return status;
        callee = pickle_scan_pop(walk);
        take_marked(walk, &first, &text);
    } else {
        take_marked(walk, &callee, &text);
    }
    return call(walk, callee, text);
}

static int
fill_marked(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value first, text;

    take_marked(walk, &first, &text);
    set(walk);
    return CKPT_OK;
}

static int
fill_top(struct pickle_scan_walk *walk, unsigned count)
{
    while (count-- > 0)
        pickle_scan_pop(walk);
    set(walk);
    return CKPT_OK;
}

/* ---- Memo and the rest ---- */

/* A memo number that is none here may be one to a reader: "1_5" or "+5". What
 * is put under it could be under any number. */
static int
odd_number(struct pickle_scan_walk *walk, bool puts)
{
    pickle_scan_odd(walk, ODD_NUMBER);
    walk->memo_lost = walk->memo_lost || puts;
    return puts ? CKPT_OK : pickle_scan_push(walk, unknown);
}

static int
memo(struct pickle_scan_walk *walk, unsigned width, bool puts, bool *done)
{
    struct pickle_scan_value text = {0};
    uint64_t index = 0;
    char *digits = NULL;
    size_t i, count;
    int status = width > 0 ? pickle_scan_number(walk, width, &index, done)
                           : pickle_scan_line(walk, &text, done);

    if (status == CKPT_OK && !*done && width == 0)
        status = pickle_scan_text(walk, text, &digits);
    if (status != CKPT_OK || *done)
        return status;
    count = digits != NULL ? strspn(digits, "0123456789") : 0;
    if (width == 0 &&
        (count == 0 || count > MEMO_DIGITS || count != text.size)) {
        walk->host->release(walk->host, digits);
        return odd_number(walk, puts);
    }
    for (i = 0; i < count; i++)
        index = index * 10 + (uint64_t)(digits[i] - '0');
    walk->host->release(walk->host, digits);
    return puts ? pickle_scan_memo_put(walk, index)
                : pickle_scan_memo_get(walk, index);
}

static int
protocol(struct pickle_scan_walk *walk, bool *done)
{
    uint64_t version = 0;
    int status = pickle_scan_number(walk, 1, &version, done);

    if (walk->opcode == walk->begin)
        walk->proto = version <= PROTOCOL_MAX;
    else
        pickle_scan_odd(walk, ODD_PROTOCOL);
    if (version > PROTOCOL_MAX)
        pickle_scan_odd(walk, ODD_PROTOCOL);
    return status;
}

static int
duplicate(struct pickle_scan_walk *walk)
{
    struct pickle_scan_value top = pickle_scan_pop(walk);
    int status = pickle_scan_push(walk, top);

    return status == CKPT_OK ? pickle_scan_push(walk, top) : status;
}

static int
stop(struct pickle_scan_walk *walk, bool *done)
{
    walk->result = pickle_scan_pop(walk);
    walk->stopped = true;
    *done = true;
    return CKPT_OK;
}

/* Values and their lengths. long: flat switch */
static int
step_value(struct pickle_scan_walk *walk, unsigned opcode, bool *done)
{
    switch (opcode) {
    case 'N':
    case 0x88:
    case 0x89:
    case 0x97:
        return pickle_scan_push(walk, data);
    case ')':
    case ']':
    case '}':
    case 0x8f:
        return pickle_scan_push(walk, empty);
    case 'K':
        return push_number(walk, 1, done);
    case 'M':
        return push_number(walk, 2, done);
    case 'J':
        return push_number(walk, 4, done);
    case 'G':
        return push_number(walk, 8, done);
    case 0x8a:
        return push_long(walk, 1, done);
    case 0x8b:
        return push_long(walk, 4, done);
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
        return push_line(walk, opcode, done);
    case 'U':
    case 'C':
    case 0x8c:
        return push_bytes(walk, 1, done);
    case 'X':
    case 'T':
    case 'B':
        return push_bytes(walk, 4, done);
    case 0x8d:
    case 0x8e:
    case 0x96:
        return push_bytes(walk, 8, done);
    default:
        return pickle_scan_break(walk, "an unknown opcode", done);
    }
}

/* Whatever acts on the stack. long: flat switch */
int
pickle_scan_step(struct pickle_scan_walk *walk, unsigned opcode, bool *done)
{
    struct pickle_scan_value first, text;
    uint64_t frame;

    switch (opcode) {
    case '.':
        return stop(walk, done);
    case '(':
        return pickle_scan_push(walk, mark);
    case '0':
        pickle_scan_pop(walk);
        return CKPT_OK;
    case '1':
        take_marked(walk, &first, &text);
        return CKPT_OK;
    case '2':
        return duplicate(walk);
    case 't':
    case 'l':
    case 'd':
    case 0x91:
        return collect(walk);
    case 0x85:
    case 0x86:
    case 0x87:
        return collect_few(walk, opcode - 0x84);
    case 'a':
    case 'b':
        return fill_top(walk, 1);
    case 's':
        return fill_top(walk, 2);
    case 'e':
    case 'u':
    case 0x90:
        return fill_marked(walk);
    case 'c':
        return import_lines(walk, done);
    case 0x93:
        return import_stack(walk);
    case 0x82:
        return import_number(walk, 1, done);
    case 0x83:
        return import_number(walk, 2, done);
    case 0x84:
        return import_number(walk, 4, done);
    case 'R':
    case 0x81:
        return call_top(walk, false);
    case 0x92:
        return call_top(walk, true);
    case 'i':
        return instance(walk, true, done);
    case 'o':
        return instance(walk, false, done);
    case 'p':
        return memo(walk, 0, true, done);
    case 'q':
        return memo(walk, 1, true, done);
    case 'r':
        return memo(walk, 4, true, done);
    case 0x94:
        return pickle_scan_memo_put(walk, walk->memo_count);
    case 'g':
        return memo(walk, 0, false, done);
    case 'h':
        return memo(walk, 1, false, done);
    case 'j':
        return memo(walk, 4, false, done);
    case 'P':
        return push_line(walk, opcode, done);
    case 'Q':
        return persistent(walk);
    case 0x80:
        return protocol(walk, done);
    case 0x95:
        return pickle_scan_number(walk, 8, &frame, done);
    case 0x98:
        return CKPT_OK;
    default:
        return step_value(walk, opcode, done);
    }
}
