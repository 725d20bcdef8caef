/* SPDX-License-Identifier: MIT
 *
 * Outputs that are driven by their writer.
 */
#include "hub/run/drive.h"

#include "checked.h"

static struct hub_report *
drive_report(const struct ckpt_host *table)
{
    return ((const struct hub_host *)table->hub)->report;
}

static int
host_sink_write(const struct ckpt_host *table, struct ckpt_sink *sink,
                uint64_t offset, const void *bytes, size_t size_bytes)
{
    int status;

    if (!sdk_within(offset, size_bytes, INT64_MAX))
        return hub_fail(drive_report(table), CKPT_LIMIT, NULL, offset,
                        "the output would be larger than any file");
    status = hub_sink_put(sink->file, offset, bytes, size_bytes);
    if (status == CKPT_OK && offset + size_bytes > sink->size_bytes)
        sink->size_bytes = offset + size_bytes;
    return status;
}

static int
host_sink_read(const struct ckpt_host *table, struct ckpt_sink *sink,
               uint64_t offset, void *buffer, size_t size_bytes)
{
    if (!sdk_within(offset, size_bytes, sink->size_bytes))
        return hub_fail(drive_report(table), CKPT_CONTRACT, NULL, offset,
                        "it reads beyond its output");
    return hub_sink_get(sink->file, offset, buffer, size_bytes);
}

static int
host_sink_resize(const struct ckpt_host *table, struct ckpt_sink *sink,
                 uint64_t size_bytes)
{
    int status;

    if (size_bytes > INT64_MAX)
        return hub_fail(drive_report(table), CKPT_LIMIT, NULL, CKPT_NOWHERE,
                        "the output would be larger than any file");
    status = hub_sink_resize(sink->file, size_bytes);
    if (status == CKPT_OK)
        sink->size_bytes = size_bytes;
    return status;
}

void
hub_drive_lend(struct ckpt_host *table)
{
    table->sink_write = host_sink_write;
    table->sink_read = host_sink_read;
    table->sink_resize = host_sink_resize;
}

int
hub_drive(struct hub_host *host, const struct ckpt_writer *writer, void *self,
          const struct ckpt_graph *graph, struct hub_sink *file)
{
    struct ckpt_sink sink = {.file = file};
    int status = writer->write(&host->table, self, graph, &sink);

    file->size_bytes = sink.size_bytes;
    file->position = sink.size_bytes;
    /* A library between may have lost what was told. */
    return status == CKPT_OK ? host->report->status : status;
}
