/* SPDX-License-Identifier: MIT
 *
 * libckpt: read, inspect and convert model checkpoints. This is the
 * library's only public header; the graph it hands out is described in
 * ckpt/graph.h, the status codes in ckpt/status.h.
 *
 * A `struct ckpt` is one user of the library: its plugins, its budget, its
 * last error. Different ones may be used on different threads; one of them is
 * used by one thread at a time. The library never prints, exits or aborts.
 *
 * Structs that the caller fills start with their size, which the macros
 * CKPT_SETTINGS and its kin set; all other members may stay zero.
 */
#ifndef CKPT_H
#define CKPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ckpt/finding.h"
#include "ckpt/graph.h"
#include "ckpt/option.h"
#include "ckpt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CKPT_API __attribute__((visibility("default")))

/* "0.1.0" */
CKPT_API const char *ckpt_version(void);

/* ---- One user of the library ---- */

struct ckpt;

enum ckpt_message_level {
    CKPT_MESSAGE_LOSS = 1, /* something of the input has no place in the
                              output */
    CKPT_MESSAGE_WARNING,  /* a finding in the input */
    CKPT_MESSAGE_STEP,     /* a loss-free step that was taken */
    CKPT_MESSAGE_DEBUG
};

struct ckpt_settings {
    size_t size;
    const char *const *plugin_files; /* .so files to add; NULL-ended or NULL */
    uint64_t memory_max_bytes;       /* metadata budget; 0: 512 MiB */
    void *user;                      /* handed to the callbacks below */

    /* One line without newline, unescaped. NULL: messages are dropped. */
    void (*message)(void *user, enum ckpt_message_level level,
                    const char *text);
    /* Payload moved so far; called at least once per 16 MiB. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    /* Asked now and then; true stops the job with CKPT_CANCELLED. */
    bool (*cancelled)(void *user);
};

static inline struct ckpt_settings
ckpt_settings_zero(void)
{
    struct ckpt_settings settings;

    memset(&settings, 0, sizeof settings);
    settings.size = sizeof settings;
    return settings;
}
#define CKPT_SETTINGS ckpt_settings_zero()

/* `settings` may be NULL. Lists plugins from their descriptions; loads none.
 * CKPT_MEMORY only: a plugin that cannot be had is listed, not an error. */
CKPT_API int ckpt_new(const struct ckpt_settings *settings, struct ckpt **user);
CKPT_API void ckpt_free(struct ckpt *user);

/* Why the last call that failed did: one line, "FILE: PLUGIN: what is wrong
 * (tensor NAME, byte N)", unescaped. Lives until the next call. */
CKPT_API const char *ckpt_error(const struct ckpt *user);

/* What the user can do about it, or NULL. */
CKPT_API const char *ckpt_remedy(const struct ckpt *user);

/* ---- Plugins ---- */

struct ckpt_format_info {
    const char *id, *summary;
    const char *const *suffixes;       /* NULL-ended */
    const struct ckpt_option *options; /* NULL before ckpt_plugin_load */
    bool reads;                        /* else it writes */
};

struct ckpt_transform_info {
    const char *id, *summary;
    const char *argument;              /* as help shows it, or NULL */
    const struct ckpt_option *options; /* NULL before ckpt_plugin_load */
};

struct ckpt_plugin_info {
    const char *id, *version, *summary;
    const char *path;    /* of the shared object */
    const char *origin;  /* "build tree", "installed", "CKPT_PLUGIN_PATH",
                            "--plugin" */
    const char *problem; /* why it is not used, or NULL */
    bool loaded;
    const struct ckpt_format_info *formats;
    size_t format_count;
    const struct ckpt_transform_info *transforms;
    size_t transform_count;
};

CKPT_API size_t ckpt_plugin_count(const struct ckpt *user);
/* Lives until the next call that loads a plugin; NULL past the end. */
CKPT_API const struct ckpt_plugin_info *ckpt_plugin_at(const struct ckpt *user,
                                                       size_t index);
/* Loads the plugin, so that its options are known or its problem is. */
CKPT_API int ckpt_plugin_load(struct ckpt *user, size_t index);
/* The transform that `text`, "NAME" or "NAME:ARGUMENT", asks for, or NULL.
 * Loads plugins that have no description. */
CKPT_API const struct ckpt_transform_info *
ckpt_transform_find(struct ckpt *user, const char *text);

/* ---- Recipes: lists of transforms in YAML files ---- */

struct ckpt_recipe_info {
    const char *name;            /* what stands behind "recipe:" */
    const char *path;            /* of the file */
    const char *origin;          /* as that of a plugin */
    const char *summary, *about; /* or NULL */
    const char *const *steps;    /* as a transform is asked for; NULL-ended */
    const char *problem;         /* why it cannot be used, or NULL */
};

/* The recipes in the folders `recipes` beside the plugins, by name. */
CKPT_API size_t ckpt_recipe_count(struct ckpt *user);
/* Lives as long as the user; NULL past the end. */
CKPT_API const struct ckpt_recipe_info *ckpt_recipe_at(struct ckpt *user,
                                                       size_t index);

/* How far a mistyped word is from a known one; SIZE_MAX: it is no slip of
 * that at all. */
CKPT_API size_t ckpt_distance(const char *word, const char *name);

/* ---- Patterns over names ---- */

struct ckpt_pattern;

/* A shell glob over whole names, in which `*` and `?` meet dots and slashes
 * too; or, behind "re:", a regular expression that is sought anywhere in a
 * name. CKPT_OPTION: it is none. */
CKPT_API int ckpt_pattern_new(struct ckpt *user, const char *text,
                              struct ckpt_pattern **pattern);

/* CKPT_LIMIT: finding out would take too long. */
CKPT_API int ckpt_pattern_match(struct ckpt_pattern *pattern,
                                const struct ckpt_text *name, bool *matches);
CKPT_API void ckpt_pattern_free(struct ckpt_pattern *pattern);

/* ---- Reading ---- */

struct ckpt_file;

struct ckpt_input {
    size_t size;
    const char *path;           /* a file or a folder */
    const char *from;           /* a reader's id; NULL: told by content */
    const char *const *options; /* "key=value"; NULL-ended or NULL */
    /* "NAME" or "NAME:ARGUMENT", done in this order to what was read;
     * NULL-ended or NULL. "recipe:NAME" stands for the steps of a recipe: an
     * installed one, or a file, if NAME has a slash or the suffix of YAML. */
    const char *const *transforms;
};

static inline struct ckpt_input
ckpt_input_zero(void)
{
    struct ckpt_input input;

    memset(&input, 0, sizeof input);
    input.size = sizeof input;
    return input;
}
#define CKPT_INPUT ckpt_input_zero()

struct ckpt_file_info {
    const char *path;
    const char *format;          /* the reader's id */
    const char *how;             /* how the format was told */
    const char *plugin;          /* id and version */
    uint64_t size_bytes;         /* of all files that were opened */
    size_t file_count;           /* 1, or more for shards */
    const char *const *findings; /* warnings of the reader; NULL-ended */
    bool restored;               /* a side record was found and used */
};

/* Tells the format, reads the graph, restores what a side record holds, and
 * edits the graph as the transforms say. The payload is left where it is. */
CKPT_API int ckpt_open(struct ckpt *user, const struct ckpt_input *input,
                       struct ckpt_file **file);
CKPT_API void ckpt_close(struct ckpt_file *file);

/* Both live until the file closes. */
CKPT_API const struct ckpt_graph *ckpt_file_graph(const struct ckpt_file *);
CKPT_API const struct ckpt_file_info *ckpt_file_info(const struct ckpt_file *);

/* The state of an optimizer, and whose slots are in it. */
struct ckpt_optimizer {
    const struct ckpt_value *map, *state;
    /* By pair of `state`: the parameter for which it is kept, or NULL. The
     * whole is NULL if that is not known. */
    const struct ckpt_text *const *names;
    const struct ckpt_value *weights; /* the map that holds them, or NULL */
    const char *why;                  /* there are no names, or NULL */
};

/* All optimizers, in order of the tree. They are looked for once, and live
 * until the file closes. */
CKPT_API int ckpt_file_optimizers(struct ckpt_file *file,
                                  const struct ckpt_optimizer **optimizers,
                                  size_t *count);

/* A number for each entry of the graph: that of the parameter that it is, from
 * 0 in the order of the entries, as loops over parameters count them; a second
 * name of one has that one's number. Where roles are not told, what is called
 * running_mean, running_var, moving_mean or moving_variance, and what is not
 * floating or complex, is a buffer. They live until the file closes. */
#define CKPT_NUMBER_NONE UINT64_MAX       /* no parameter */
#define CKPT_NUMBER_SLOT (UINT64_MAX - 1) /* in the state of an optimizer */

CKPT_API int ckpt_file_numbers(struct ckpt_file *file,
                               const uint64_t **numbers);

/* The folder for files without a name that ckpt_file_digest may need: what
 * decodes only from start to end, but is wanted out of order, is put there.
 * $TMPDIR, else /tmp. A conversion uses the folder of its output. */
CKPT_API const char *ckpt_temporary_folder(void);

/* Whether the file begins as one that is packed by gzip: then ckpt_open and
 * ckpt_convert first unpack it into a file without a name in that folder. */
CKPT_API bool ckpt_is_packed(const char *path);

/* SHA-256 of the tensor's contiguous little-endian bytes. */
CKPT_API int ckpt_file_digest(struct ckpt_file *file,
                              const struct ckpt_tensor *tensor,
                              unsigned char digest[32]);

/* ---- Judging ---- */

struct ckpt_judgement;

enum ckpt_name_hash {
    CKPT_NAME_HASH_NONE = 0, /* the name carries none: nothing was checked */
    CKPT_NAME_HASH_MATCHED,
    CKPT_NAME_HASH_MISMATCHED
};

struct ckpt_judgement_info {
    const char *path;
    const char *format; /* the reader's id, or NULL: none reads it */
    uint32_t worst;     /* enum ckpt_severity, of all findings */
    const struct ckpt_finding *findings;
    size_t finding_count;
    /* Of ckpt_verify alone: */
    uint32_t name_hash;       /* enum ckpt_name_hash */
    const char *name_digits;  /* the hash in the name, or NULL */
    unsigned char sha256[32]; /* of the file, if name_digits is there */
};

/* Lists what an unguarded loader would import, call and run, whatever the
 * file is; nothing is imported, called or run. In a folder every file is
 * looked at, but no folder below it. What is broken in a file is among the
 * findings; failure means that it could not be looked at. A file of which
 * nothing could be looked at is never clean: a finding says so. */
CKPT_API int ckpt_scan(struct ckpt *user, const struct ckpt_input *input,
                       struct ckpt_judgement **judgement);

/* Checks the structure, what the format carries of checksums and of sizes
 * told twice, and the hash in the file's name: the hexadecimal digits between
 * the first `-` and `.` that have only such between them are the start of the
 * file's SHA-256. CKPT_FORMAT: the structure does not hold. A file that reads
 * well and keeps one of its own promises not has a finding of
 * CKPT_SEVERITY_WRONG. */
CKPT_API int ckpt_verify(struct ckpt *user, const struct ckpt_input *input,
                         struct ckpt_judgement **judgement);

/* Lives until the judgement is freed. */
CKPT_API const struct ckpt_judgement_info *
ckpt_judgement_info(const struct ckpt_judgement *judgement);
CKPT_API void ckpt_judgement_free(struct ckpt_judgement *judgement);

/* ---- Comparing ---- */

struct ckpt_diff;

struct ckpt_comparison {
    size_t size;
    /* Numbers that differ by no more than absolute + relative * the larger of
     * both are the same. */
    double absolute, relative;
    /* Ask only whether the first would load into what the second is of: names
     * and shapes of tensors, and whether a prefix is in the way. */
    bool like;
};

static inline struct ckpt_comparison
ckpt_comparison_zero(void)
{
    struct ckpt_comparison comparison;

    memset(&comparison, 0, sizeof comparison);
    comparison.size = sizeof comparison;
    return comparison;
}
#define CKPT_COMPARISON ckpt_comparison_zero()

enum ckpt_difference_kind {
    CKPT_DIFFERENCE_ONLY_FIRST = 1, /* a tensor that the second lacks */
    CKPT_DIFFERENCE_ONLY_SECOND,
    CKPT_DIFFERENCE_SHAPE,
    CKPT_DIFFERENCE_DTYPE,  /* the values are compared all the same */
    CKPT_DIFFERENCE_VALUE,  /* of elements */
    CKPT_DIFFERENCE_TIE,    /* to another tensor */
    CKPT_DIFFERENCE_SCALAR, /* a value that is no tensor, or its lack */
    CKPT_DIFFERENCE_KIND_COUNT
};

struct ckpt_difference {
    uint32_t kind; /* enum ckpt_difference_kind */
    struct ckpt_text name;
    const struct ckpt_value *first, *second; /* NULL where it is lacking */
    /* TIE: the first tensor whose bytes overlap in the same storage, among
     * those that both have; NULL: there is none. */
    const char *first_tie, *second_tie;
    /* VALUE of a tensor. A difference is |a - b|; a relative one is that
     * divided by the larger of |a| and |b|. */
    uint64_t element_count; /* that differ by more than is tolerated */
    uint64_t nan_count;     /* of these, NaN on one side, or another NaN */
    bool measured; /* else the bits differ, and are no numbers, or are not
                      there */
    double absolute, relative; /* the largest; NaN left out */
};

/* What stands between the names of tensors on both sides. */
enum ckpt_cure {
    CKPT_CURE_NONE = 0,
    CKPT_CURE_STRIP, /* names of the first have a prefix too much */
    CKPT_CURE_ADD    /* they lack one */
};

struct ckpt_diff_info {
    const struct ckpt_difference *differences; /* in the first's order; then
                                                  what it lacks */
    size_t difference_count;
    uint64_t tensor_count; /* whose name is on both sides */
    uint64_t scalar_count; /* likewise */
    /* Of `like` alone. The prefix is that of all names from the root: behind
     * `root`, which leads to a map, or is empty, `prefix` is left. */
    uint32_t cure; /* enum ckpt_cure */
    const char *root, *prefix;
    /* After the cure: names of the first that the second has, with the same
     * shape and with another one; and those that are left on each side. */
    uint64_t cured_count, mismatched_count, unexpected_count, missing_count;
};

/* Compares what two files of the same user hold: tensors of the same name by
 * shape, dtype and elements, ties among them, and the other values of the tree.
 * Equal are numbers, not bits: -0.0 is 0.0, and NaN is NaN if its bits are the
 * same or the dtypes are not. Devices, strides, roles, attributes and the
 * order of names are not compared. Views that both files have twice are
 * compared once; what is the same place of the same file is not read. */
CKPT_API int ckpt_compare(struct ckpt_file *first, struct ckpt_file *second,
                          const struct ckpt_comparison *comparison,
                          struct ckpt_diff **diff);

/* Lives until the diff is freed or one of its files is closed. */
CKPT_API const struct ckpt_diff_info *
ckpt_diff_info(const struct ckpt_diff *diff);
CKPT_API void ckpt_diff_free(struct ckpt_diff *diff);

/* ---- Converting ---- */

/* What happens to a tensor between input and output. */
enum ckpt_change {
    CKPT_CHANGE_RENAMED = 1 << 0,
    CKPT_CHANGE_DTYPE = 1 << 1,
    CKPT_CHANGE_SHAPE = 1 << 2,
    CKPT_CHANGE_STRIDES = 1 << 3, /* of the same shape */
    CKPT_CHANGE_DEVICE = 1 << 4,
    CKPT_CHANGE_GRAD = 1 << 5,   /* requires_grad; or that it is said at all */
    CKPT_CHANGE_TIED = 1 << 6,   /* its bytes are now another tensor's too */
    CKPT_CHANGE_UNTIED = 1 << 7, /* they are now its own */
    CKPT_CHANGE_VALUES = 1 << 8, /* of the same dtype and shape */
    CKPT_CHANGE_FILE = 1 << 9,   /* it is that of another file */
    CKPT_CHANGE_ADDED = 1 << 10,
    CKPT_CHANGE_DROPPED = 1 << 11,
    CKPT_CHANGE_BITS = 1 << 12,  /* its dtype has no place in the output */
    CKPT_CHANGE_JOINED = 1 << 13 /* it is made of several of the input */
};

/* A tensor of a file that was read. */
struct ckpt_origin {
    const char *path; /* as it was named */
    struct ckpt_text name;
};

/* The way of one tensor. A text is without data where there is none. */
struct ckpt_way {
    struct ckpt_text from;            /* name in the input */
    struct ckpt_text to;              /* name in the output */
    const char *file;                 /* FILE: its path */
    struct ckpt_text file_name;       /* FILE: the tensor's name in there */
    const struct ckpt_tensor *before; /* in the input, or NULL */
    const struct ckpt_tensor *after;  /* in the output, or NULL */
    uint32_t changes;                 /* of enum ckpt_change; 0: it is kept */
    uint32_t bits_dtype;              /* BITS: what its bits are kept as */
    /* Of which its bytes are made, those that weigh most first; none, if that
     * is not known. */
    const struct ckpt_origin *origins;
    size_t origin_count;
};

/* What a transform says of one tensor. */
struct ckpt_told {
    const char *transform; /* as it was asked for */
    const char *what;      /* in words that many share: "missing, kept" */
    const char *tensor;    /* the name that it has there, or NULL */
    const char *text;      /* what is to be said of this one, or "" */
    bool notable;          /* not what was simply to be done */
};

struct ckpt_conversion {
    size_t size;
    struct ckpt_input input;
    const char *output;                /* path */
    const char *to;                    /* a writer's id; NULL: by suffix */
    const char *const *output_options; /* "key=value"; NULL-ended or NULL */
    bool strict;  /* a loss, or a transform that matches nothing, is an error */
    bool dry_run; /* list the losses and stop */
    bool force;   /* replace an existing output */
    bool sync;    /* fsync; implied where an existing file is replaced */
    /* Called for each tensor of the input in order, then for those that are
     * added, before the first byte is written. What it points to lives for
     * the call. NULL: nobody asks. */
    void (*way)(void *context, const struct ckpt_way *way);
    void *way_context;
    /* Called for what transforms say, as they do; with the same context. What
     * it points to lives for the call. NULL: nobody asks. */
    void (*told)(void *context, const struct ckpt_told *told);
    /* Put the first eight digits of the output's SHA-256 into its name, where
     * ckpt_verify finds them: "model" before the suffix becomes
     * "model-5c106cde". The output is one file. */
    bool hash_name;
};

static inline struct ckpt_conversion
ckpt_conversion_zero(void)
{
    struct ckpt_conversion conversion;

    memset(&conversion, 0, sizeof conversion);
    conversion.size = sizeof conversion;
    conversion.input = ckpt_input_zero();
    return conversion;
}
#define CKPT_CONVERSION ckpt_conversion_zero()

struct ckpt_summary {
    const char *format;    /* the writer's id; lives as long as the user */
    uint64_t tensor_count; /* in the output */
    uint64_t size_bytes;   /* of all output files */
    size_t file_count;
    size_t loss_count;
    /* Of the output, without folders, if it tells a hash that was asked for
     * here or by a transform; else empty. */
    char name[256];
};

/* `summary` may be NULL. After a failure no output file is there that was
 * not there before. */
CKPT_API int ckpt_convert(struct ckpt *user,
                          const struct ckpt_conversion *conversion,
                          struct ckpt_summary *summary);

/* Calls `named` for each path that the options and transforms of a conversion
 * name, beside input and output: what else ckpt_convert would open, or
 * ckpt_open with that input, where `conversion->output` may be NULL. A program
 * that confines itself permits these first. Loads the plugins that are asked
 * for; what is wrong with options is left for the conversion to tell. The
 * path lives for that call. */
CKPT_API void ckpt_files_named(struct ckpt *user,
                               const struct ckpt_conversion *conversion,
                               void (*named)(void *context, const char *path),
                               void *context);

#ifdef __cplusplus
}
#endif

#endif
