/* SPDX-License-Identifier: MIT
 *
 * An open input, as the public sees it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/io/check.h"
#include "hub/io/unpack.h"
#include "hub/run/file.h"

static void
file_fill_info(struct ckpt_file *file)
{
    static const char *const none[] = {NULL};
    struct hub_reading *reading = &file->reading;
    const struct ckpt_plugin_info *plugin = &reading->format->plugin->info;
    struct ckpt_file_info *info = &file->info;
    const struct ckpt_source *source;
    size_t room = sizeof file->plugin - 1, used;

    strncpy(file->plugin, plugin->id, room / 2);
    used = strlen(file->plugin);
    file->plugin[used++] = ' ';
    strncpy(file->plugin + used, plugin->version, room - used);
    info->path = reading->path;
    info->format = reading->format->info.id;
    info->how = reading->evidence.how;
    info->plugin = file->plugin;
    for (source = reading->host.sources; source; source = source->next) {
        if (source->unpacked || source->named)
            continue;
        info->size_bytes += source->size_bytes;
        info->file_count += !source->folder;
    }
    info->findings = reading->findings.count > 0
                         ? (const char *const *)reading->findings.texts
                         : none;
    info->restored = reading->from_record;
}

int
ckpt_open(struct ckpt *user, const struct ckpt_input *input,
          struct ckpt_file **file)
{
    struct ckpt_file *made;
    int status;

    hub_user_begin(user);
    if (input->path == NULL)
        return hub_fail(&user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "no input is named");
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return hub_fail(&user->report, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                        "out of memory");
    made->spool.budget = &user->budget;
    made->spool.folder = ckpt_temporary_folder();
    status = hub_reading_init(&made->reading, user, input);
    if (status == CKPT_OK) {
        hub_reading_spool(&made->reading, &made->spool);
        file_fill_info(made);
        *file = made;
    } else {
        ckpt_close(made);
    }
    user->report.file = NULL;
    return status;
}

void
ckpt_close(struct ckpt_file *file)
{
    if (file == NULL)
        return;
    hub_file_optimizers_fini(file);
    hub_spool_fini(&file->spool);
    hub_reading_fini(&file->reading);
    free(file);
}

const struct ckpt_graph *
ckpt_file_graph(const struct ckpt_file *file)
{
    return file->reading.graph;
}

const struct ckpt_file_info *
ckpt_file_info(const struct ckpt_file *file)
{
    return &file->info;
}

const char *
ckpt_temporary_folder(void)
{
    const char *folder = secure_getenv("TMPDIR");

    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

bool
ckpt_is_packed(const char *path)
{
    unsigned char bytes[2] = {0, 0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return false;
    if (pread(file, bytes, sizeof bytes, 0) < 0)
        bytes[0] = 0;
    close(file);
    return hub_packed_bytes(bytes);
}

static int
digest_cancelled(struct ckpt *user)
{
    const struct ckpt_settings *settings = &user->settings;

    if (settings->cancelled == NULL || !settings->cancelled(settings->user))
        return CKPT_OK;
    return hub_fail(&user->report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                    "stopped");
}

/* A small tensor needs no more than a small window. */
static int
digest_stream(struct hub_stream *stream, uint64_t size_bytes, struct ckpt *user,
              unsigned char digest[32])
{
    struct hub_budget *budget = &user->budget;
    size_t room = size_bytes + 16 < HUB_WINDOW_BYTES ? (size_t)size_bytes + 16
                                                     : HUB_WINDOW_BYTES;
    unsigned char *window = hub_allocate(budget, room);
    struct hub_check check;
    size_t filled;
    int status;

    if (window == NULL)
        return budget->report->status;
    status = hub_check_init(&check, budget->report, CKPT_CHECK_SHA256);
    while (status == CKPT_OK) {
        status = hub_stream_fill(stream, window, room, &filled);
        if (status == CKPT_OK)
            hub_check_update(&check, window, filled);
        if (status == CKPT_OK)
            status = digest_cancelled(user);
    }
    if (status == CKPT_END) {
        hub_check_finish(&check, digest);
        status = CKPT_OK;
    }
    hub_check_fini(&check);
    hub_release(budget, window);
    return status;
}

int
ckpt_file_digest(struct ckpt_file *file, const struct ckpt_tensor *tensor,
                 unsigned char digest[32])
{
    struct ckpt *user = file->reading.user;
    struct hub_stream stream;
    int status;

    hub_user_begin(user);
    user->report.file = file->reading.path;
    status = hub_stream_tensor(&stream, &file->spool, tensor);
    if (status == CKPT_OK)
        status = digest_stream(&stream, tensor->size_bytes, user, digest);
    hub_stream_fini(&stream);
    if (status == CKPT_OK)
        status = hub_reading_unchanged(&file->reading);
    user->report.file = NULL;
    return status;
}
