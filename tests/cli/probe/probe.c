/* SPDX-License-Identifier: MIT
 *
 * A plugin that behaves badly: for a file that begins with "PROBE" and then
 * names a path, it tries what a sandbox is to stop, and tells in attributes
 * what came of it. Used by tests/cli/streams.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckpt/plugin.h"

static int
probe_probe(const struct ckpt_host *host, const struct ckpt_source *source,
            struct ckpt_evidence *evidence)
{
    (void)host;
    (void)source;
    evidence->level = CKPT_EVIDENCE_MAGIC;
    memcpy(evidence->how, "PROBE", 6);
    return CKPT_OK;
}

static int
probe_open(const struct ckpt_host *host, const struct ckpt_source *source,
           const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)options;
    *self = (void *)(uintptr_t)source;
    return CKPT_OK;
}

static int
probe_note(const struct ckpt_host *host, struct ckpt_graph *graph,
           const char *name, bool allowed)
{
    struct ckpt_value like = {.kind = CKPT_KIND_BOOL}, *value;
    int status;

    like.as.truth = allowed;
    status = host->value_new(host, graph, &like, sizeof like, &value);
    return status != CKPT_OK ? status
                             : host->attr_set(host, graph, NULL, name, value);
}

static bool
probe_reads(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file >= 0)
        close(file);
    return file >= 0;
}

static bool
probe_writes(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (file >= 0)
        close(file);
    return file >= 0;
}

static bool
probe_connects(void)
{
    int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (end >= 0)
        close(end);
    return end >= 0;
}

/* A program that is not there is looked up only where exec is let in. */
static bool
probe_runs(void)
{
    char *words[] = {NULL};

    execve("/nowhere", words, words);
    return errno == ENOENT;
}

/* Where it is let in, what is no terminal refuses it for another reason. */
static bool
probe_types(void)
{
    return ioctl(STDIN_FILENO, TIOCSTI, "x") == 0 || errno != EPERM;
}

static int
probe_describe(const struct ckpt_host *host, void *self,
               struct ckpt_graph *graph)
{
    const struct ckpt_source *source = self;
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *root;
    uint64_t size = host->source_size(host, source);
    char path[512] = "";
    int status;

    if (size < 5 || size - 5 >= sizeof path)
        return host->fail(host, CKPT_FORMAT, NULL, 5, "no path to probe");
    status = host->source_read(host, source, 5, path, (size_t)size - 5);
    if (status == CKPT_OK)
        status = probe_note(host, graph, "read", probe_reads(path));
    if (status == CKPT_OK)
        status = probe_note(host, graph, "write", probe_writes(path));
    if (status == CKPT_OK)
        status = probe_note(host, graph, "connect", probe_connects());
    if (status == CKPT_OK)
        status = probe_note(host, graph, "run", probe_runs());
    if (status == CKPT_OK)
        status = probe_note(host, graph, "type", probe_types());
    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &root);
    return status == CKPT_OK ? host->root_set(host, graph, root) : status;
}

static void
probe_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

static const struct ckpt_magic probe_magics[] = {{0, "PROBE", 5}, {0, NULL, 0}};

static const struct ckpt_reader probe_reader = {
    .size = sizeof(struct ckpt_reader),
    .id = "probe",
    .summary = "files that try the sandbox",
    .magics = probe_magics,
    .probe = probe_probe,
    .open = probe_open,
    .describe = probe_describe,
    .close = probe_close,
};

static const struct ckpt_reader *const probe_readers[] = {&probe_reader, NULL};

CKPT_PLUGIN(probe) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "probe",
    .version = "0.1.0",
    .summary = "tries what a sandbox is to stop",
    .readers = probe_readers,
};
