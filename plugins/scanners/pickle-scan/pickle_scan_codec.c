/* SPDX-License-Identifier: MIT
 *
 * zlib, libbz2 and liblzma, each of which has its own word for the same.
 */
#include "pickle_scan_codec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LZMA_MEMORY_MAX (UINT64_C(64) << 20)

static unsigned
clipped(size_t size_bytes)
{
    return size_bytes < UINT_MAX ? (unsigned)size_bytes : UINT_MAX;
}

bool
pickle_scan_codec_start(struct pickle_scan_codec *codec)
{
    static const lzma_stream lzma = LZMA_STREAM_INIT;

    switch (codec->wrap) {
    case PICKLE_SCAN_RAW_DEFLATE:
        codec->started = inflateInit2(&codec->z, -15) == Z_OK;
        break;
    case PICKLE_SCAN_GZIP:
        codec->started = inflateInit2(&codec->z, 31) == Z_OK;
        break;
    case PICKLE_SCAN_ZLIB:
        codec->started = inflateInit2(&codec->z, 15) == Z_OK;
        break;
    case PICKLE_SCAN_BZIP2:
        codec->started = BZ2_bzDecompressInit(&codec->bz, 0, 0) == BZ_OK;
        break;
    case PICKLE_SCAN_XZ:
        codec->lzma = lzma;
        codec->started =
            lzma_auto_decoder(&codec->lzma, LZMA_MEMORY_MAX, 0) == LZMA_OK;
        break;
    case PICKLE_SCAN_ZIP_LZMA:
        codec->lzma = lzma;
        codec->started = true;
        break;
    }
    return codec->started;
}

void
pickle_scan_codec_end(struct pickle_scan_codec *codec)
{
    if (!codec->started)
        return;
    if (codec->wrap == PICKLE_SCAN_BZIP2)
        BZ2_bzDecompressEnd(&codec->bz);
    else if (codec->wrap == PICKLE_SCAN_XZ ||
             codec->wrap == PICKLE_SCAN_ZIP_LZMA)
        lzma_end(&codec->lzma);
    else
        inflateEnd(&codec->z);
    codec->started = false;
}

static bool
step_zlib(struct pickle_scan_codec *codec, struct pickle_scan_flow *flow)
{
    int result;

    codec->z.next_in = (unsigned char *)(uintptr_t)flow->in;
    codec->z.avail_in = clipped(flow->in_bytes);
    codec->z.next_out = flow->out;
    codec->z.avail_out = clipped(flow->out_bytes);
    result = inflate(&codec->z, Z_NO_FLUSH);
    flow->in_bytes -= (size_t)(codec->z.next_in - flow->in);
    flow->in = codec->z.next_in;
    flow->out_bytes -= (size_t)(codec->z.next_out - flow->out);
    flow->out = codec->z.next_out;
    codec->ended = result == Z_STREAM_END;
    return codec->ended || result == Z_OK || result == Z_BUF_ERROR;
}

static bool
step_bzip2(struct pickle_scan_codec *codec, struct pickle_scan_flow *flow)
{
    int result;

    codec->bz.next_in = (char *)(uintptr_t)flow->in;
    codec->bz.avail_in = clipped(flow->in_bytes);
    codec->bz.next_out = (char *)flow->out;
    codec->bz.avail_out = clipped(flow->out_bytes);
    result = BZ2_bzDecompress(&codec->bz);
    flow->in_bytes -= (size_t)((unsigned char *)codec->bz.next_in - flow->in);
    flow->in = (unsigned char *)codec->bz.next_in;
    flow->out_bytes -=
        (size_t)((unsigned char *)codec->bz.next_out - flow->out);
    flow->out = (unsigned char *)codec->bz.next_out;
    codec->ended = result == BZ_STREAM_END;
    return codec->ended || result == BZ_OK;
}

static bool
step_lzma(struct pickle_scan_codec *codec, struct pickle_scan_flow *flow)
{
    lzma_ret result;

    codec->lzma.next_in = flow->in;
    codec->lzma.avail_in = flow->in_bytes;
    codec->lzma.next_out = flow->out;
    codec->lzma.avail_out = flow->out_bytes;
    result = lzma_code(&codec->lzma, LZMA_RUN);
    flow->in = codec->lzma.next_in;
    flow->in_bytes = codec->lzma.avail_in;
    flow->out = codec->lzma.next_out;
    flow->out_bytes = codec->lzma.avail_out;
    codec->ended = result == LZMA_STREAM_END;
    return codec->ended || result == LZMA_OK || result == LZMA_BUF_ERROR;
}

/* The head: version, two bytes; size of the properties, 5; the properties. */
static bool
begin_lzma(struct pickle_scan_codec *codec)
{
    lzma_filter filters[2] = {{.id = LZMA_FILTER_LZMA1},
                              {.id = LZMA_VLI_UNKNOWN}};
    bool good = codec->head[2] == 5 && codec->head[3] == 0 &&
                lzma_properties_decode(&filters[0], NULL, codec->head + 4, 5) ==
                    LZMA_OK;

    if (good)
        good = lzma_raw_decoder_memusage(filters) <= LZMA_MEMORY_MAX &&
               lzma_raw_decoder(&codec->lzma, filters) == LZMA_OK;
    free(filters[0].options);
    return good;
}

bool
pickle_scan_codec_step(struct pickle_scan_codec *codec,
                       struct pickle_scan_flow *flow)
{
    if (codec->wrap == PICKLE_SCAN_BZIP2)
        return step_bzip2(codec, flow);
    if (codec->wrap == PICKLE_SCAN_XZ)
        return step_lzma(codec, flow);
    if (codec->wrap != PICKLE_SCAN_ZIP_LZMA)
        return step_zlib(codec, flow);
    if (codec->head_bytes < sizeof codec->head) {
        size_t left = sizeof codec->head - codec->head_bytes;

        if (left > flow->in_bytes)
            left = flow->in_bytes;
        memcpy(codec->head + codec->head_bytes, flow->in, left);
        codec->head_bytes += left;
        flow->in += left;
        flow->in_bytes -= left;
        if (codec->head_bytes < sizeof codec->head)
            return true;
        if (!begin_lzma(codec))
            return false;
    }
    return step_lzma(codec, flow);
}
