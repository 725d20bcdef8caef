/* SPDX-License-Identifier: MIT
 *
 * The ways of packing that are undone here, behind one door.
 */
#ifndef PICKLES_CODEC_H
#define PICKLES_CODEC_H

#include <bzlib.h>
#include <lzma.h>
#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

enum pickles_wrap {
    PICKLES_RAW_DEFLATE, /* method 8 of a zip archive */
    PICKLES_GZIP,
    PICKLES_ZLIB,
    PICKLES_BZIP2,   /* also method 12 */
    PICKLES_XZ,      /* also method 95, and the older lzma form */
    PICKLES_ZIP_LZMA /* method 14: a head of its own, then raw LZMA */
};

struct pickles_codec {
    enum pickles_wrap wrap;
    bool started, ended;
    z_stream z;
    bz_stream bz;
    lzma_stream lzma;
    unsigned char head[9]; /* of PICKLES_ZIP_LZMA */
    size_t head_bytes;
};

/* What a step reads and writes; both are moved on by it. */
struct pickles_flow {
    const unsigned char *in;
    size_t in_bytes;
    unsigned char *out;
    size_t out_bytes;
};

/* Starts; false: no memory. The codec is zeroed but for `wrap`. */
bool pickles_codec_start(struct pickles_codec *codec);

/* Unpacks as far as both sides go. False: what came in is damaged. */
bool pickles_codec_step(struct pickles_codec *codec, struct pickles_flow *flow);

void pickles_codec_end(struct pickles_codec *codec);

#endif
