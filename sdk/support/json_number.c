/* SPDX-License-Identifier: MIT
 *
 * Numbers of JSON: integers exactly, doubles to the nearest.
 */
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "json.h"

/* The digits from `at` on, as a number. */
static bool
json_digits(const struct sdk_json *json, size_t at, uint64_t *value)
{
    uint64_t sum = 0;

    if (at == json->text_bytes)
        return false;
    for (; at < json->text_bytes; at++) {
        if (json->text[at] < '0' || json->text[at] > '9' ||
            !sdk_mul_u64(sum, 10, &sum) ||
            !sdk_add_u64(sum, (uint64_t)(json->text[at] - '0'), &sum))
            return false;
    }
    *value = sum;
    return true;
}

bool
sdk_json_u64(const struct sdk_json *json, uint64_t *value)
{
    return json->event == SDK_JSON_NUMBER && json_digits(json, 0, value);
}

bool
sdk_json_i64(const struct sdk_json *json, int64_t *value)
{
    uint64_t magnitude;

    if (json->event != SDK_JSON_NUMBER)
        return false;
    if (json->text[0] != '-') {
        if (!json_digits(json, 0, &magnitude) || magnitude > INT64_MAX)
            return false;
        *value = (int64_t)magnitude;
        return true;
    }
    if (!json_digits(json, 1, &magnitude) || magnitude == 0 ||
        magnitude > (uint64_t)INT64_MAX + 1)
        return false;
    *value = -(int64_t)(magnitude - 1) - 1;
    return true;
}

bool
sdk_json_double(const struct sdk_json *json, double *value)
{
    /* strtod takes the point of the locale, which may be several bytes. */
    const char *point = nl_langinfo(RADIXCHAR), *dot;
    char text[1024];
    size_t before = json->text_bytes, point_bytes = strlen(point);
    double result;

    if (json->event != SDK_JSON_NUMBER || json->text_bytes > 1000 ||
        point_bytes > 16)
        return false;
    dot = memchr(json->text, '.', json->text_bytes);
    if (dot != NULL)
        before = (size_t)(dot - json->text);
    memcpy(text, json->text, before);
    text[before] = '\0';
    if (dot != NULL) {
        memcpy(text + before, point, point_bytes);
        memcpy(text + before + point_bytes, dot + 1,
               json->text_bytes - before - 1);
        text[json->text_bytes - 1 + point_bytes] = '\0';
    }
    result = strtod(text, NULL);
    if (!isfinite(result))
        return false;
    *value = result;
    return true;
}
