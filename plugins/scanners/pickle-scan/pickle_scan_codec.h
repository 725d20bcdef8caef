/* SPDX-License-Identifier: MIT
 *
 * The ways of packing that are undone here, behind one door.
 */
#ifndef PICKLE_SCAN_CODEC_H
#define PICKLE_SCAN_CODEC_H

#include <bzlib.h>
#include <lzma.h>
#include <stdbool.h>
#include <stddef.h>
#include <zlib.h>

enum pickle_scan_wrap {
    PICKLE_SCAN_RAW_DEFLATE, /* method 8 of a zip archive */
    PICKLE_SCAN_GZIP,
    PICKLE_SCAN_ZLIB,
    PICKLE_SCAN_BZIP2,   /* also method 12 */
    PICKLE_SCAN_XZ,      /* also method 95, and the older lzma form */
    PICKLE_SCAN_ZIP_LZMA /* method 14: a head of its own, then raw LZMA */
};

struct pickle_scan_codec {
    enum pickle_scan_wrap wrap;
    bool started, ended;
    z_stream z;
    bz_stream bz;
    lzma_stream lzma;
    unsigned char head[9]; /* of PICKLE_SCAN_ZIP_LZMA */
    size_t head_bytes;
};

/* What a step reads and writes; both are moved on by it. */
struct pickle_scan_flow {
    const unsigned char *in;
    size_t in_bytes;
    unsigned char *out;
    size_t out_bytes;
};

/* Starts; false: no memory. The codec is zeroed but for `wrap`. */
bool pickle_scan_codec_start(struct pickle_scan_codec *codec);

/* Unpacks as far as both sides go. False: what came in is damaged. */
bool pickle_scan_codec_step(struct pickle_scan_codec *codec,
                            struct pickle_scan_flow *flow);

void pickle_scan_codec_end(struct pickle_scan_codec *codec);

#endif
