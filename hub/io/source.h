/* SPDX-License-Identifier: MIT
 *
 * Sources: a file, a folder, or bytes in memory. All reading goes through
 * pread, never through a map, so that a file that shrinks is an error and not
 * a signal.
 */
#ifndef HUB_IO_SOURCE_H
#define HUB_IO_SOURCE_H

#include <sys/stat.h>

#include "ckpt/source.h"
#include "hub/core/budget.h"

#define HUB_WINDOW_BYTES ((size_t)1 << 20)

struct ckpt_source {
    struct hub_budget *budget;
    struct hub_report *report;
    char *path; /* as it was opened */
    const char *name;
    uint64_t size_bytes;
    bool folder;
    int file; /* descriptor, or -1 */
    struct stat seen;
    const unsigned char *memory; /* of a memory source, else NULL */
    unsigned char *window;       /* of a file: what peek lends */
    uint64_t window_offset;
    size_t window_bytes;
    char **names;  /* of a folder, once listed */
    bool unpacked; /* made of another one, for the time being */
    bool named;    /* by an option: no part of the input */
    const struct ckpt_source *origin; /* that it lies beside, or NULL */
    struct ckpt_source *next;         /* the owner's list */
};

/* Opens a regular file or a folder. */
int hub_source_open(struct hub_budget *budget, const char *path,
                    struct ckpt_source **source);

/* Opens a file that lies beside `source`, or in it if it is a folder; see
 * ckpt_host.source_open. */
int hub_source_open_beside(const struct ckpt_source *source, const char *name,
                           struct ckpt_source **opened);

/* Whether `found` is what hub_source_open_beside gives under that name. */
bool hub_source_is_beside(const struct ckpt_source *source,
                          const struct ckpt_source *found, const char *name);

/* The bytes are borrowed. */
int hub_source_memory(struct hub_budget *budget, const char *name,
                      const void *bytes, size_t size_bytes,
                      struct ckpt_source **source);

/* Takes over a descriptor of a file of that size. */
int hub_source_adopt(struct hub_budget *budget, const char *name, int file,
                     struct ckpt_source **source);

void hub_source_free(struct ckpt_source *source);

/* See ckpt_host.source_read and its kin. */
int hub_source_read(const struct ckpt_source *source, uint64_t offset,
                    void *buffer, size_t size_bytes);
int hub_source_peek(const struct ckpt_source *source, uint64_t offset,
                    size_t size_bytes, struct ckpt_span *span);
int hub_source_list(const struct ckpt_source *folder,
                    const char *const **names);

/* CKPT_IO if the file is not what it was when it was opened. */
int hub_source_unchanged(const struct ckpt_source *source);

/* Room for `name` in `folder`; NULL: no memory, said. Of hub_allocate. */
char *hub_path_join(struct hub_budget *budget, const char *folder,
                    size_t folder_bytes, const char *name);

#endif
