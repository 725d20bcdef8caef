/* SPDX-License-Identifier: MIT
 *
 * What the parts of ckpt-check-plugin share: the plugin under check, its
 * samples, and the count of laws that were broken.
 */
#ifndef CHECK_PLUGIN_H
#define CHECK_PLUGIN_H

#include "ckpt.h"
#include "ckpt/plugin.h"

struct check {
    const char *file;   /* of the plugin */
    const char *manual; /* path of its manual, or NULL */
    const struct ckpt_plugin *tables;
    const struct ckpt_transform *const *transforms; /* of it; NULL-ended */
    char **texts; /* that ask for transforms: "strip-prefix:module." */
    size_t text_count;
    const char **samples; /* paths */
    size_t sample_count;
    char folder[64]; /* for files of our own; ends with the check */
    uint64_t run_count, fault_count;
};

/* Tells that a law was broken. `subject` is a sample or a part of the plugin;
 * the first fifty are shown. */
void check_broken(struct check *check, const char *subject, const char *format,
                  ...) CKPT_PRINTF(3, 4);

/* ---- check_plugin.c ---- */

/* Reads a whole file; false if it cannot be read. The caller frees. */
bool check_file(const char *path, unsigned char **bytes, size_t *size_bytes);

/* A file in the folder; the text lives until the next call. */
const char *check_path(struct check *check, const char *name);

/* ---- check_tables.c: what the plugin says of itself ---- */

void check_tables(struct check *check);

/* ---- check_runs.c: what it does ---- */

/* A user who has this plugin; NULL if there is no memory for one. */
struct ckpt *check_user(struct check *check);

/* Opens a file and takes the digest of its first tensors; all of them come
 * together in `digest`. Returns the status of what failed, or CKPT_OK. */
int check_read(struct check *check, struct ckpt *user, const char *path,
               unsigned char digest[32]);

/* The digest of an open file's first tensors. */
int check_digest(struct ckpt_file *file, unsigned char digest[32]);

/* Writes what a file holds by each writer of the plugin. */
int check_write(struct check *check, struct ckpt *user, const char *path);

/* A status has its reason, and a reason its form. */
void check_status(struct check *check, const struct ckpt *user, int status,
                  const char *subject);

void check_loading(struct check *check);
void check_samples(struct check *check);
void check_pairs(struct check *check);

/* ---- check_transforms.c ---- */

/* Lists the texts; nothing is checked without them. */
void check_transforms_begin(struct check *check);
void check_transforms_end(struct check *check);

/* As check_read, of what a transform makes of a file. */
int check_transform(struct check *check, struct ckpt *user, const char *path,
                    const char *text, unsigned char digest[32]);

void check_transforms(struct check *check);

/* ---- check_memory.c: no memory at the nth asking ---- */

void check_memory(struct check *check);

#endif
