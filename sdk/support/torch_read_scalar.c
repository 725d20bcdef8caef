/* SPDX-License-Identifier: MIT
 *
 * Calls that give one small value: torch.Size, torch.device, complex, and the
 * ways of protocol 2 to say bytes.
 */
#include "torch_read_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool
sdk_torch_is_plain_call(struct torch_reader *r, uint32_t ref, uint32_t known)
{
    struct sdk_pickled_call call;

    if (sdk_torch_known_call(r, ref) != known)
        return false;
    call = sdk_pickled_call(r->pickled, ref);
    return sdk_pickled_list(r->pickled, call.args).count == 0 &&
           call.items.count == 0 && call.pairs.count == 0 &&
           call.state == SDK_PICKLED_NOTHING;
}

static int
make_size(struct torch_reader *r, struct sdk_pickled_list args,
          struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_SIZE}, *made;
    struct sdk_pickled_list dims;
    uint32_t i;
    int status;

    if (args.count != 1 ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_TUPLE)
        return CKPT_END;
    dims = sdk_pickled_list(r->pickled, args.refs[0]);
    r->steps += dims.count;
    for (i = 0; i < dims.count; i++)
        if (sdk_pickled_kind(r->pickled, dims.refs[i]) != SDK_PICKLED_INT)
            return CKPT_END;
    status = sdk_torch_value(r, &like, &made);
    for (i = 0; i < dims.count && status == CKPT_OK; i++) {
        struct ckpt_value dim = {.kind = CKPT_KIND_INT}, *item;

        dim.as.integer = sdk_pickled_at(r->pickled, dims.refs[i])->as.integer;
        status = sdk_torch_value(r, &dim, &item);
        if (status == CKPT_OK)
            status = r->host->list_add(r->host, r->graph, made, item);
    }
    if (status == CKPT_OK)
        *value = made;
    return status;
}

static int
make_device(struct torch_reader *r, struct sdk_pickled_list args,
            struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_DEVICE};
    struct ckpt_text type;
    char label[128];
    int length;

    if (args.count < 1 || args.count > 2 ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_TEXT ||
        !sdk_pickled_is_words(r->pickled, args.refs[0]))
        return CKPT_END;
    type = sdk_pickled_text(r->pickled, args.refs[0]);
    if (type.size_bytes > 64 || memchr(type.data, 0, type.size_bytes) != NULL)
        return CKPT_END;
    length =
        snprintf(label, sizeof label, "%.*s", (int)type.size_bytes, type.data);
    if (args.count == 2) {
        if (sdk_pickled_kind(r->pickled, args.refs[1]) != SDK_PICKLED_INT)
            return CKPT_END;
        length +=
            snprintf(label + length, sizeof label - (size_t)length, ":%" PRId64,
                     sdk_pickled_at(r->pickled, args.refs[1])->as.integer);
    }
    like.as.text.data = label;
    like.as.text.size_bytes = (size_t)length;
    return sdk_torch_value(r, &like, value);
}

static int
make_complex(struct torch_reader *r, struct sdk_pickled_list args,
             struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_COMPLEX};

    if (args.count != 2 ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_FLOAT ||
        sdk_pickled_kind(r->pickled, args.refs[1]) != SDK_PICKLED_FLOAT)
        return CKPT_END;
    like.as.parts.re = sdk_pickled_at(r->pickled, args.refs[0])->as.real;
    like.as.parts.im = sdk_pickled_at(r->pickled, args.refs[1])->as.real;
    return sdk_torch_value(r, &like, value);
}

/* UTF-8 of code points below 256 to bytes; false if there are others. */
bool
sdk_torch_decode_latin1(const struct ckpt_text *text, unsigned char *bytes,
                        size_t *size_bytes)
{
    const unsigned char *p = (const unsigned char *)text->data;
    size_t i, count = 0;

    for (i = 0; i < text->size_bytes; i++) {
        unsigned char byte = p[i];

        if (byte >= 0x80) {
            if ((byte != 0xc2 && byte != 0xc3) || ++i == text->size_bytes ||
                (p[i] & 0xc0) != 0x80)
                return false;
            byte = (unsigned char)(byte << 6 | (p[i] & 0x3f));
        }
        bytes[count++] = byte;
    }
    *size_bytes = count;
    return true;
}

int
sdk_torch_text(struct torch_reader *r, uint32_t ref, struct ckpt_text *text,
               void **loaded)
{
    uint64_t offset, size_bytes;
    char *room;
    int status;

    *loaded = NULL;
    *text = sdk_pickled_text(r->pickled, ref);
    if (!sdk_pickled_left(r->pickled, ref, &offset, &size_bytes))
        return CKPT_OK;
    if (r->source->file == NULL || size_bytes > SIZE_MAX - 1)
        return sdk_torch_fail(r, CKPT_LIMIT, ref, "a string of great length");
    room = r->host->allocate(r->host, (size_t)size_bytes + 1);
    if (room == NULL)
        return CKPT_MEMORY;
    status = r->host->source_read(r->host, r->source->file, offset, room,
                                  (size_t)size_bytes);
    if (status != CKPT_OK) {
        r->host->release(r->host, room);
        return status;
    }
    text->data = room;
    text->size_bytes = (size_t)size_bytes;
    *loaded = room;
    return CKPT_OK;
}

static int
make_bytes(struct torch_reader *r, struct sdk_pickled_list args,
           struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_BYTES};
    struct ckpt_text text;
    unsigned char *bytes;
    void *loaded = NULL;
    size_t size_bytes;
    int status;

    if (args.count != 2 ||
        sdk_pickled_kind(r->pickled, args.refs[0]) != SDK_PICKLED_TEXT ||
        (!sdk_pickled_is_text(r->pickled, args.refs[1], "latin1") &&
         !sdk_pickled_is_text(r->pickled, args.refs[1], "latin-1")))
        return CKPT_END;
    status = sdk_torch_text(r, args.refs[0], &text, &loaded);
    if (status != CKPT_OK)
        return status;
    if (loaded == NULL)
        r->steps += text.size_bytes / TORCH_STEP_BYTES;
    bytes = r->host->allocate(r->host, text.size_bytes + 1);
    status = bytes == NULL ? CKPT_MEMORY : CKPT_END;
    if (bytes != NULL && sdk_torch_decode_latin1(&text, bytes, &size_bytes)) {
        like.as.text.data = (const char *)bytes;
        like.as.text.size_bytes = size_bytes;
        status = sdk_torch_value(r, &like, value);
    }
    r->host->release(r->host, bytes);
    r->host->release(r->host, loaded);
    return status;
}

int
sdk_torch_scalar_call(struct torch_reader *r, uint32_t ref, uint32_t known,
                      struct ckpt_value **value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);
    struct ckpt_value empty = {.kind = CKPT_KIND_BYTES};

    if (call.items.count > 0 || call.pairs.count > 0 ||
        call.state != SDK_PICKLED_NOTHING)
        return CKPT_END;
    switch (known) {
    case TORCH_SIZE:
        return make_size(r, args, value);
    case TORCH_DEVICE:
        return make_device(r, args, value);
    case TORCH_COMPLEX:
        return make_complex(r, args, value);
    case TORCH_ENCODE:
        return make_bytes(r, args, value);
    case TORCH_BYTES:
        empty.as.text.data = "";
        return args.count == 0 ? sdk_torch_value(r, &empty, value) : CKPT_END;
    default:
        return CKPT_END;
    }
}
