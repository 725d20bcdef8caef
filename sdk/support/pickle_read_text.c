/* SPDX-License-Identifier: MIT
 *
 * The text forms of protocol 0: numbers in decimal, strings with escapes.
 * Only very old or hand-made pickles have them, so they are plain and slow.
 */
#include "pickle_read_machine.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "endian.h"

#define DIGITS_MAX 4300 /* Python's own limit for text to int */
#define WORDS_MAX ((DIGITS_MAX * 4 + 31) / 32 + 1)

/* words = words * factor + more */
static size_t
append_digits(uint32_t *words, size_t count, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;
    size_t i;

    for (i = 0; i < count; i++) {
        carry += (uint64_t)words[i] * factor;
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        words[count++] = (uint32_t)carry;
    return count;
}

/* Returns the count of words, or SIZE_MAX if there is more than digits. */
static size_t
parse_digits(const char *digits, size_t size, uint32_t *words)
{
    uint32_t factor = 1, chunk = 0;
    size_t i, count = 0;

    for (i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return SIZE_MAX;
        chunk = chunk * 10 + (uint32_t)(digits[i] - '0');
        factor *= 10;
        if (factor == 1000000000) {
            count = append_digits(words, count, factor, chunk);
            factor = 1;
            chunk = 0;
        }
    }
    return append_digits(words, count, factor, chunk);
}

static void
negate(uint32_t *words, size_t count)
{
    uint64_t carry = 1;
    size_t i;

    for (i = 0; i < count; i++) {
        carry += (uint32_t)~words[i];
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static int
say_decimal(struct machine *m, const char *line, size_t size,
            struct sdk_pickled_node *node)
{
    uint32_t words[WORDS_MAX] = {0}, position;
    size_t i = 0, count;
    char *room = NULL;
    int status;
    bool negative = size > 0 && line[0] == '-';

    if (size > 0 && (line[0] == '-' || line[0] == '+'))
        i = 1;
    if (i == size)
        return sdk_unpickle_fail_form(m, "an int without digits");
    if (size - i > DIGITS_MAX)
        return sdk_unpickle_fail(m, CKPT_LIMIT, "an int of too many digits");
    count = parse_digits(line + i, size - i, words);
    if (count == SIZE_MAX)
        return sdk_unpickle_fail_form(m, "an int that is no number");
    count++; /* room for the sign */
    if (negative)
        negate(words, count);
    status = sdk_unpickle_pool(m, count * 4, &room, &position);
    if (status != CKPT_OK)
        return status;
    for (i = 0; i < count; i++)
        sdk_store_le32(room + 4 * i, words[i]);
    return sdk_unpickle_say_int(m, (const unsigned char *)room, count * 4, true,
                                node);
}

static int
say_real(struct machine *m, const char *line, size_t size,
         struct sdk_pickled_node *node)
{
    locale_t plain;
    char text[128], *end;

    if (size == 0 || size >= sizeof text)
        return sdk_unpickle_fail_form(m, "a float that is no number");
    memcpy(text, line, size);
    text[size] = '\0';
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0)
        return sdk_unpickle_fail(m, CKPT_MEMORY, "no memory for a locale");
    node->kind = SDK_PICKLED_FLOAT;
    node->as.real = strtod_l(text, &end, plain);
    freelocale(plain);
    if (end != text + size)
        return sdk_unpickle_fail_form(m, "a float that is no number");
    return CKPT_OK;
}

static bool
parse_hex(const char *digits, size_t count, uint32_t *value)
{
    uint32_t sum = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        char c = digits[i];

        if (c >= '0' && c <= '9')
            sum = sum << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            sum = sum << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    *value = sum;
    return true;
}

/* Decodes what follows a backslash; at least one character is there.
 * Returns how many characters it took, 0 if it is no escape. */
static size_t
unescape(const char *text, size_t size, char *byte)
{
    static const char letters[] = "abfnrtv\\'\"";
    static const char values[] = "\a\b\f\n\r\t\v\\'\"";
    const char *found = memchr(letters, text[0], sizeof letters - 1);
    uint32_t value = 0;
    size_t i;

    if (found != NULL) {
        *byte = values[found - letters];
        return 1;
    }
    if (text[0] == 'x' && size >= 3 && parse_hex(text + 1, 2, &value)) {
        *byte = (char)value;
        return 3;
    }
    for (i = 0; i < 3 && i < size; i++) {
        if (text[i] < '0' || text[i] > '7')
            break;
        value = value << 3 | (uint32_t)(text[i] - '0');
    }
    *byte = (char)value;
    return i;
}

/* S: a Python 2 repr, quotes and all. */
static int
say_quoted(struct machine *m, const char *line, size_t size,
           struct sdk_pickled_node *node)
{
    uint32_t position = 0;
    size_t i, count = 0;
    char *room = NULL;
    int status;

    if (size < 2 || (line[0] != '\'' && line[0] != '"') ||
        line[size - 1] != line[0])
        return sdk_unpickle_fail_form(m, "a string without quotes");
    status = sdk_unpickle_pool(m, size, &room, &position);
    if (status != CKPT_OK)
        return status;
    for (i = 1; i < size - 1; count++) {
        size_t taken = 0;

        if (line[i] == '\\' && i + 1 < size - 1)
            taken = unescape(line + i + 1, size - 2 - i, &room[count]);
        if (taken == 0)
            room[count] = line[i];
        i += taken + 1;
    }
    node->kind = SDK_PICKLED_STR;
    node->flags = FLAG_POOL;
    node->as.pair.first = position;
    node->as.pair.second = (uint32_t)count;
    return CKPT_OK;
}

static size_t
store_utf8(char *to, uint32_t code)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    size_t i;

    for (i = size; i-- > 1; code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(leads[size] | code);
    return size;
}

/* V: Latin-1 with \uXXXX and \UXXXXXXXX. */
static int
say_escaped(struct machine *m, const char *line, size_t size,
            struct sdk_pickled_node *node)
{
    uint32_t position = 0;
    size_t i = 0, count = 0;
    char *room = NULL;
    int status = sdk_unpickle_pool(m, 2 * size + 1, &room, &position);

    if (status != CKPT_OK)
        return status;
    while (i < size) {
        uint32_t code = (unsigned char)line[i];
        size_t digits = 0;

        if (code == '\\' && i + 1 < size)
            digits = line[i + 1] == 'u' ? 4 : line[i + 1] == 'U' ? 8 : 0;
        i++;
        if (digits > 0) {
            if (size - i - 1 < digits ||
                !parse_hex(line + i + 1, digits, &code) || code > 0x10ffff)
                return sdk_unpickle_fail_form(m, "a broken escape");
            i += 1 + digits;
        }
        count += store_utf8(room + count, code);
    }
    node->kind = SDK_PICKLED_TEXT;
    node->flags = FLAG_POOL;
    node->as.pair.first = position;
    node->as.pair.second = (uint32_t)count;
    return CKPT_OK;
}

static int
say(struct machine *m, int opcode, const char *line, size_t size,
    struct sdk_pickled_node *node)
{
    switch (opcode) {
    case 'I':
    case 'L':
        if (opcode == 'L' && size > 0 && line[size - 1] == 'L')
            size--;
        return say_decimal(m, line, size, node);
    case 'F':
        return say_real(m, line, size, node);
    case 'S':
        return say_quoted(m, line, size, node);
    default:
        return say_escaped(m, line, size, node);
    }
}

int
sdk_unpickle_text_form(struct machine *m, int opcode)
{
    struct sdk_pickled_node node = {0};
    const char *line = NULL;
    size_t size = 0;
    int status = sdk_unpickle_line(m, &line, &size);

    if (status != CKPT_OK)
        return status;
    /* "00" and "01" are what protocol 0 writes for False and True. */
    if (opcode == 'I' && size == 2 && line[0] == '0' &&
        (line[1] == '0' || line[1] == '1'))
        return sdk_unpickle_push(m,
                                 line[1] == '1' ? SHARED_TRUE : SHARED_FALSE);
    status = say(m, opcode, line, size, &node);
    return status != CKPT_OK ? status : sdk_unpickle_push_node(m, &node);
}
