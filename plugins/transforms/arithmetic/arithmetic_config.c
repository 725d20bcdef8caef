/* SPDX-License-Identifier: MIT
 *
 * What an adapter_config.json says of how to merge. Most of it is about how
 * the adapter was trained, and is passed over; what would make the sum another
 * one is refused.
 */
#include "arithmetic.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "pattern.h"

#define CONFIG "adapter_config.json"
#define CONFIG_MAX ((uint64_t)1 << 20)

struct scan {
    const struct ckpt_host *host;
    struct arithmetic_config *config;
    struct sdk_json json;
    char refused[200]; /* why, or empty */
};

/* Kinds of adapter that are no plain product, by the key that has a value. */
static const char *const others[] = {"use_dora",
                                     "use_qalora",
                                     "use_bdlora",
                                     "alora_invocation_tokens",
                                     "arrow_config",
                                     "kasa_config",
                                     "monteclora_config",
                                     "layer_replication",
                                     NULL};

/* Ways to begin that leave the base as it was. */
static const char *const plain_starts[] = {"gaussian", "eva", "orthogonal",
                                           "mica", NULL};

static void
refuse(struct scan *scan, const char *key)
{
    if (scan->refused[0] == '\0')
        snprintf(scan->refused, sizeof scan->refused, "its %s is '%.*s'", key,
                 (int)(scan->json.text_bytes < 60 ? scan->json.text_bytes : 60),
                 scan->json.text);
}

static bool
text_among(const struct sdk_json *json, const char *const *list)
{
    for (; *list != NULL; list++)
        if (sdk_json_is(json, *list))
            return true;
    return false;
}

static bool
scan_bool(struct scan *scan)
{
    bool truth = sdk_json_next(&scan->json) == SDK_JSON_TRUE;

    sdk_json_skip(&scan->json);
    return truth;
}

static void
scan_number(struct scan *scan, double *number)
{
    if (sdk_json_next(&scan->json) != SDK_JSON_NUMBER ||
        !sdk_json_double(&scan->json, number))
        sdk_json_refuse(&scan->json, "a number is wanted");
}

/* A text that the pattern borrows: Python's rule for a module's name. */
static int
pattern_add(struct scan *scan)
{
    const struct ckpt_host *host = scan->host;
    struct arithmetic_config *config = scan->config;
    struct sdk_buffer buffer = {0};
    struct arithmetic_pattern *made,
        *patterns = host->reallocate(host, config->patterns,
                                     (config->pattern_count + 1) *
                                         sizeof *config->patterns);
    int status;

    if (patterns == NULL)
        return CKPT_MEMORY;
    config->patterns = patterns;
    made = &patterns[config->pattern_count];
    memset(made, 0, sizeof *made);
    status = sdk_json_write_raw(host, &buffer, "re:^(.*\\.)?(");
    if (status == CKPT_OK)
        status = sdk_json_copy(host, &scan->json, &buffer);
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &buffer, ")$", 3);
    made->text = (char *)buffer.data;
    config->pattern_count++;
    if (status == CKPT_OK)
        status = sdk_pattern_new(host, made->text, &made->pattern);
    if (status == CKPT_OK)
        scan_number(scan, &made->alpha);
    return status;
}

static int
scan_patterns(struct scan *scan)
{
    enum sdk_json_event event = sdk_json_next(&scan->json);
    int status = CKPT_OK;

    if (event == SDK_JSON_NULL)
        return CKPT_OK;
    if (event != SDK_JSON_OBJECT_BEGIN) {
        sdk_json_refuse(&scan->json, "alpha_pattern is no object");
        return CKPT_OK;
    }
    while (status == CKPT_OK && sdk_json_next(&scan->json) == SDK_JSON_KEY)
        status = pattern_add(scan);
    return status;
}

/* Whether the next value says something: not null, false, [] or {}. */
static void
scan_other(struct scan *scan, const char *key)
{
    enum sdk_json_event event = sdk_json_next(&scan->json);
    bool set = event != SDK_JSON_NULL && event != SDK_JSON_FALSE;

    if (event == SDK_JSON_ARRAY_BEGIN || event == SDK_JSON_OBJECT_BEGIN) {
        event = sdk_json_next(&scan->json);
        set = event != SDK_JSON_ARRAY_END && event != SDK_JSON_OBJECT_END;
        while (set && (event == SDK_JSON_KEY || event != SDK_JSON_ERROR) &&
               event != SDK_JSON_ARRAY_END && event != SDK_JSON_OBJECT_END) {
            sdk_json_skip(&scan->json);
            event = sdk_json_next(&scan->json);
        }
    }
    if (set && scan->refused[0] == '\0')
        snprintf(scan->refused, sizeof scan->refused, "it has %s", key);
}

static int
scan_key(struct scan *scan)
{
    struct sdk_json *json = &scan->json;
    struct arithmetic_config *config = scan->config;
    const char *const *other;

    for (other = others; *other != NULL; other++)
        if (sdk_json_is(json, *other)) {
            scan_other(scan, *other);
            return CKPT_OK;
        }
    if (sdk_json_is(json, "alpha_pattern"))
        return scan_patterns(scan);
    if (sdk_json_is(json, "use_rslora")) {
        config->rank_scaled = scan_bool(scan);
    } else if (sdk_json_is(json, "fan_in_fan_out")) {
        config->transposed = scan_bool(scan);
    } else if (sdk_json_is(json, "lora_alpha")) {
        scan_number(scan, &config->alpha);
        config->has_alpha = true;
    } else if (sdk_json_is(json, "peft_type")) {
        if (sdk_json_next(json) == SDK_JSON_STRING &&
            !sdk_json_is(json, "LORA"))
            refuse(scan, "peft_type");
        sdk_json_skip(json);
    } else if (sdk_json_is(json, "init_lora_weights")) {
        if (sdk_json_next(json) == SDK_JSON_STRING &&
            !text_among(json, plain_starts))
            refuse(scan, "init_lora_weights");
        sdk_json_skip(json);
    } else {
        sdk_json_skip(json);
    }
    return CKPT_OK;
}

static int
config_scan(struct scan *scan)
{
    struct sdk_json *json = &scan->json;
    int status = CKPT_OK;

    if (sdk_json_next(json) != SDK_JSON_OBJECT_BEGIN)
        sdk_json_refuse(json, "it is no object");
    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY)
        status = scan_key(scan);
    if (status == CKPT_OK && json->event == SDK_JSON_OBJECT_END)
        sdk_json_next(json);
    if (status != CKPT_OK)
        return status;
    if (json->event != SDK_JSON_END)
        return scan->host->fail(scan->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                                "adapter_config.json: %s (byte %zu)",
                                json->error != NULL ? json->error : "cut off",
                                json->at);
    if (scan->refused[0] != '\0')
        return scan->host->fail(
            scan->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
            "the adapter is no plain LoRA: %s", scan->refused);
    return CKPT_OK;
}

static int
config_read(const struct ckpt_host *host, const struct ckpt_source *source,
            struct arithmetic_config *config)
{
    struct scan scan = {.host = host, .config = config};
    uint64_t size_bytes = host->source_size(host, source);
    char *text;
    int status;

    if (size_bytes > CONFIG_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "adapter_config.json is over 1 MiB");
    text = host->allocate(host, (size_t)size_bytes + 1);
    if (text == NULL)
        return CKPT_MEMORY;
    status = host->source_read(host, source, 0, text, (size_t)size_bytes);
    if (status == CKPT_OK) {
        sdk_json_init(&scan.json, text, (size_t)size_bytes);
        status = config_scan(&scan);
    }
    host->release(host, text);
    return status;
}

/* ---- Where it is ---- */

static bool
folder_has_config(const struct ckpt_host *host,
                  const struct ckpt_source *source, int *status)
{
    const char *const *names;

    *status = host->source_list(host, source, &names);
    if (*status != CKPT_OK)
        return false;
    for (; *names != NULL; names++)
        if (strcmp(*names, CONFIG) == 0)
            return true;
    return false;
}

/* What else would do is told, too. */
static int
config_beside(const struct ckpt_host *host, const struct ckpt_source *adapter,
              const struct ckpt_source **source)
{
    int status = host->source_open(host, adapter, CONFIG, source);

    if (status == CKPT_IO)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "without " CONFIG " it needs alpha=, scale= or config=");
    return status;
}

/* Beside a file that is named there is no looking without failing, so it is
 * not looked for if the factor is given. */
static int
config_find(struct arithmetic_run *run, const struct ckpt_source **source)
{
    const struct ckpt_host *host = run->host;
    const struct ckpt_option_value *options = run->self->options;
    const struct ckpt_source *adapter = options[ARITHMETIC_ADAPTER].source;
    bool given =
        options[ARITHMETIC_SCALE].given || options[ARITHMETIC_ALPHA].given;
    int status = CKPT_OK;

    *source = options[ARITHMETIC_CONFIG].source;
    if (*source != NULL)
        return CKPT_OK;
    if (adapter != NULL && !host->source_is_folder(host, adapter))
        return given ? CKPT_OK : config_beside(host, adapter, source);
    if (adapter != NULL && folder_has_config(host, adapter, &status))
        return host->source_open(host, adapter, CONFIG, source);
    if (status == CKPT_OK && !given)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "there is no " CONFIG " in the folder: give alpha=, "
                          "scale= or config=");
    return status;
}

int
arithmetic_config_take(struct arithmetic_run *run)
{
    const struct ckpt_option_value *options = run->self->options;
    struct arithmetic_config *config = run->self->config;
    const struct ckpt_source *source;
    int status = config_find(run, &source);

    if (status == CKPT_OK && source != NULL)
        status = config_read(run->host, source, config);
    if (status == CKPT_OK && !config->has_alpha &&
        !options[ARITHMETIC_SCALE].given && !options[ARITHMETIC_ALPHA].given)
        return run->host->fail(run->host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                               CONFIG " has no lora_alpha: give alpha= or "
                                      "scale=");
    return status;
}

/* alpha / rank, or alpha / sqrt(rank). */
int
arithmetic_config_factor(const struct arithmetic_run *run,
                         const struct ckpt_text *module, double rank,
                         double *factor)
{
    const struct arithmetic *self = run->self;
    const struct arithmetic_config *config = self->config;
    double alpha = config->alpha;
    bool matches = false;
    size_t i;
    int status = CKPT_OK;

    *factor = self->factors[0];
    if (self->options[ARITHMETIC_SCALE].given)
        return CKPT_OK;
    for (i = 0; i < config->pattern_count && !matches && status == CKPT_OK;
         i++) {
        status = sdk_pattern_match(run->host, config->patterns[i].pattern,
                                   module, &matches);
        if (matches)
            alpha = config->patterns[i].alpha;
    }
    if (self->options[ARITHMETIC_ALPHA].given)
        alpha = self->factors[0];
    *factor = alpha / (config->rank_scaled ? sqrt(rank) : rank);
    return status;
}

void
arithmetic_config_fini(const struct ckpt_host *host,
                       struct arithmetic_config *config)
{
    size_t i;

    for (i = 0; i < config->pattern_count; i++) {
        sdk_pattern_free(host, config->patterns[i].pattern);
        host->release(host, config->patterns[i].text);
    }
    host->release(host, config->patterns);
}
