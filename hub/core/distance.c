/* SPDX-License-Identifier: MIT
 *
 * How far a mistyped word is from a known one: insertions, deletions,
 * substitutions and swaps of neighbours, each counted once.
 */
#include "ckpt.h"

#include <string.h>

#define DISTANCE_LENGTH_MAX 31

static size_t
distance_least(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

size_t
ckpt_distance(const char *word, const char *name)
{
    size_t rows[3][DISTANCE_LENGTH_MAX + 1];
    size_t words = strlen(word), names = strlen(name), i, j;
    size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

    if (words > DISTANCE_LENGTH_MAX || names > DISTANCE_LENGTH_MAX)
        return SIZE_MAX;
    for (j = 0; j <= names; j++)
        above[j] = before[j] = j;
    for (i = 1; i <= words; i++) {
        row[0] = i;
        for (j = 1; j <= names; j++) {
            row[j] =
                distance_least(above[j] + 1, row[j - 1] + 1,
                               above[j - 1] + (word[i - 1] != name[j - 1]));
            if (i > 1 && j > 1 && word[i - 1] == name[j - 2] &&
                word[i - 2] == name[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[names] <= 1 + names / 3 ? above[names] : SIZE_MAX;
}
