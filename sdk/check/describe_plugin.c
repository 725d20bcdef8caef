/* SPDX-License-Identifier: MIT
 *
 * ckpt-describe-plugin FILE.so FILE.plugin: writes the description that lies
 * beside a plugin, from the plugin's own constant, so that both cannot
 * disagree. By it the hub tells, without loading anything, which plugins a
 * file could need. The description is JSON with these keys:
 *
 *     {"abi", "id", "version", "summary",
 *      "readers": [{"id", "summary", "suffixes": [], "capabilities",
 *                   "magics": [{"offset", "hex"}]}],
 *      "writers": [{"id", "summary", "suffixes": []}],
 *      "transforms": [{"id", "summary", "argument"}],
 *      "scanners": ["id"]}
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

#include "ckpt/plugin.h"

static void
describe_text(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)(text ? text : "");

    fputc('"', out);
    for (; *p != '\0'; p++)
        if (*p == '"' || *p == '\\' || *p < 0x20)
            fprintf(out, "\\u%04x", *p);
        else
            fputc(*p, out);
    fputc('"', out);
}

static void
describe_texts(FILE *out, const char *key, const char *const *texts)
{
    size_t i;

    fprintf(out, ", \"%s\": [", key);
    for (i = 0; texts != NULL && texts[i] != NULL; i++) {
        fputs(i > 0 ? ", " : "", out);
        describe_text(out, texts[i]);
    }
    fputc(']', out);
}

static void
describe_role(FILE *out, size_t index, const char *id, const char *summary,
              const char *const *suffixes)
{
    fprintf(out, "%s\n  {\"id\": ", index > 0 ? "," : "");
    describe_text(out, id);
    fputs(", \"summary\": ", out);
    describe_text(out, summary);
    describe_texts(out, "suffixes", suffixes);
}

static void
describe_magics(FILE *out, const struct ckpt_magic *magics)
{
    size_t i, k;

    fputs(", \"magics\": [", out);
    for (i = 0; magics != NULL && magics[i].bytes != NULL; i++) {
        fprintf(out, "%s{\"offset\": %llu, \"hex\": \"", i > 0 ? ", " : "",
                (unsigned long long)magics[i].offset);
        for (k = 0; k < magics[i].size_bytes; k++)
            fprintf(out, "%02x", (unsigned char)magics[i].bytes[k]);
        fputs("\"}", out);
    }
    fputc(']', out);
}

static void
describe_transform(FILE *out, size_t index,
                   const struct ckpt_transform *transform)
{
    fprintf(out, "%s\n  {\"id\": ", index > 0 ? "," : "");
    describe_text(out, transform->id);
    fputs(", \"summary\": ", out);
    describe_text(out, transform->summary);
    if (transform->argument != NULL) {
        fputs(", \"argument\": ", out);
        describe_text(out, transform->argument);
    }
    fputc('}', out);
}

static void
describe_plugin(FILE *out, const struct ckpt_plugin *plugin)
{
    const struct ckpt_reader *reader;
    const struct ckpt_writer *writer;
    const struct ckpt_transform *const *transforms = NULL;
    const struct ckpt_scanner *const *scanners = NULL;
    size_t i;

    /* The table may be that of an older SDK. */
    if (plugin->size > offsetof(struct ckpt_plugin, transforms))
        transforms = plugin->transforms;
    if (plugin->size > offsetof(struct ckpt_plugin, scanners))
        scanners = plugin->scanners;
    fprintf(out, "{\"abi\": %u, \"id\": ", (unsigned)plugin->abi);
    describe_text(out, plugin->id);
    fputs(", \"version\": ", out);
    describe_text(out, plugin->version);
    fputs(", \"summary\": ", out);
    describe_text(out, plugin->summary);
    fputs(",\n \"readers\": [", out);
    for (i = 0; plugin->readers != NULL && plugin->readers[i] != NULL; i++) {
        reader = plugin->readers[i];
        describe_role(out, i, reader->id, reader->summary, reader->suffixes);
        fprintf(out, ", \"capabilities\": %llu",
                (unsigned long long)reader->capabilities);
        describe_magics(out, reader->magics);
        fputc('}', out);
    }
    fputs("],\n \"writers\": [", out);
    for (i = 0; plugin->writers != NULL && plugin->writers[i] != NULL; i++) {
        writer = plugin->writers[i];
        describe_role(out, i, writer->id, writer->summary, writer->suffixes);
        fprintf(out, ", \"capabilities\": %llu}",
                (unsigned long long)writer->capabilities);
    }
    fputs("],\n \"transforms\": [", out);
    for (i = 0; transforms != NULL && transforms[i] != NULL; i++)
        describe_transform(out, i, transforms[i]);
    fputs("],\n \"scanners\": [", out);
    for (i = 0; scanners != NULL && scanners[i] != NULL; i++) {
        fputs(i > 0 ? ", " : "", out);
        describe_text(out, scanners[i]->id);
    }
    fputs("]}\n", out);
}

int
main(int count, char **arguments)
{
    const struct ckpt_plugin *plugin;
    void *module;
    FILE *out;

    if (count != 3) {
        fputs("usage: ckpt-describe-plugin FILE.so FILE.plugin\n", stderr);
        return 2;
    }
    module = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    plugin = module != NULL ? dlsym(module, "ckpt_plugin") : NULL;
    if (plugin == NULL) {
        fprintf(stderr, "ckpt-describe-plugin: %s\n", dlerror());
        return 1;
    }
    out = fopen(arguments[2], "w");
    if (out == NULL) {
        perror(arguments[2]);
        return 1;
    }
    describe_plugin(out, plugin);
    return fclose(out) == 0 ? 0 : 1;
}
