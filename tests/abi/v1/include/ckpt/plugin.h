/* SPDX-License-Identifier: MIT
 *
 * The descriptor of a plugin and its one symbol. A plugin is a shared object
 * that exports the constant `ckpt_plugin`; nothing of it runs before the hub
 * has read that constant and found the ABI number it knows.
 *
 *     CKPT_PLUGIN(safetensors) = {
 *         .abi = CKPT_ABI,
 *         .size = sizeof(struct ckpt_plugin),
 *         .id = "safetensors",
 *         ...
 *     };
 *
 * Every table starts with its size, grows only at its end, and reads zero as
 * the safest meaning: the hub copies the smaller of both sizes into zeroed
 * memory. A plugin keeps no static state, so that two instances can live side
 * by side.
 */
#ifndef CKPT_PLUGIN_H
#define CKPT_PLUGIN_H

#include "ckpt/host.h"
#include "ckpt/option.h"
#include "ckpt/reader.h"
#include "ckpt/scanner.h"
#include "ckpt/transform.h"
#include "ckpt/writer.h"

#define CKPT_ABI UINT32_C(1)

struct ckpt_plugin {
    uint32_t abi;   /* CKPT_ABI; the hub refuses numbers it does not know */
    size_t size;    /* sizeof(struct ckpt_plugin) where the plugin was built */
    const char *id; /* equal to the folder's name: [a-z0-9-]+ */
    const char *version;                      /* "0.1.0" */
    const char *summary;                      /* one line, without full stop */
    const struct ckpt_reader *const *readers; /* NULL-ended, or NULL */
    const struct ckpt_writer *const *writers; /* NULL-ended, or NULL */
    const struct ckpt_transform *const *transforms; /* NULL-ended, or NULL */
    const struct ckpt_scanner *const *scanners; /* NULL-ended, or NULL */
};

/* Opens the definition of the descriptor. The argument is the id with `_`
 * for `-`. A shared plugin exports it as `ckpt_plugin`; compiled with
 * CKPT_STATIC it is `ckpt_plugin_<argument>`, for programs that link the
 * plugin in. */
#ifdef __cplusplus
#define CKPT_EXTERN extern "C"
#else
#define CKPT_EXTERN extern
#endif

#if defined(CKPT_STATIC)
#define CKPT_PLUGIN(id)                                    \
    CKPT_EXTERN const struct ckpt_plugin ckpt_plugin_##id; \
    const struct ckpt_plugin ckpt_plugin_##id
#else
#define CKPT_PLUGIN(id)                                \
    CKPT_EXTERN __attribute__((visibility("default"))) \
    const struct ckpt_plugin ckpt_plugin;              \
    const struct ckpt_plugin ckpt_plugin
#endif

#endif
