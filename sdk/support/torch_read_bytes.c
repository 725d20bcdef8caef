/* SPDX-License-Identifier: MIT
 *
 * A storage that a plain pickle holds: torch.storage._load_from_bytes(bytes).
 * The bytes are a stream of torch.save of one storage:
 *
 *   1. the pickles of a magic number and of 1001
 *   2. the pickle of a dict of the machine, which says nothing of use
 *   3. the pickle of a persistent id:
 *      ('storage', class, key, location, count, None)
 *   4. the pickle of the list of its key
 *   5. int64 count, then the bytes
 */
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "torch_read_array.h"

/* The pickles before the bytes take some 200. */
#define HEAD_BYTES 2048

static const unsigned char magics[] = {0x80, 2,    0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                       0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
                                       '.',  0x80, 2,    'M',  0xe9, 3,    '.'};

struct loaded {
    uint32_t dtype;
    bool untyped;
    uint64_t size_bytes, skip;
    char device[64];
};

struct head {
    const struct ckpt_host *host;
    unsigned char bytes[HEAD_BYTES];
    size_t size_bytes, at;
};

/* Decodes as much Latin-1 as there is room for. */
static bool
decode_head(struct head *head, const char *text, size_t text_bytes)
{
    struct ckpt_text prefix = {text, 0};
    size_t count = 0;

    while (prefix.size_bytes < text_bytes && count < HEAD_BYTES) {
        prefix.size_bytes +=
            (unsigned char)text[prefix.size_bytes] < 0x80 ? 1 : 2;
        count++;
    }
    return prefix.size_bytes <= text_bytes &&
           sdk_torch_decode_latin1(&prefix, head->bytes, &head->size_bytes);
}

/* The first bytes of the stream. */
static int
read_head(struct torch_reader *r, const struct torch_payload *payload,
          struct head *head)
{
    char text[2 * HEAD_BYTES];
    const char *data = payload->data;
    size_t most = payload->latin1 ? sizeof text : HEAD_BYTES;
    int status;

    if (payload->size_bytes < most)
        most = (size_t)payload->size_bytes;
    if (data == NULL) {
        status = r->host->source_read(r->host, r->source->file, payload->offset,
                                      text, most);
        if (status != CKPT_OK)
            return status;
        data = text;
    }
    if (payload->latin1) {
        /* A character may be cut at the end of what was read. */
        if (most < payload->size_bytes &&
            ((unsigned char)data[most - 1] & 0xc0) == 0xc0)
            most--;
        return decode_head(head, data, most) ? CKPT_OK : CKPT_END;
    }
    memcpy(head->bytes, data, most);
    head->size_bytes = most;
    return CKPT_OK;
}

/* The next pickle of the head. CKPT_END: there is none. */
static int
next_pickle(struct head *head, struct sdk_pickled *pickled)
{
    struct sdk_pickled_input input = {.data = head->bytes + head->at,
                                      .size_bytes = head->size_bytes - head->at,
                                      .origin = CKPT_NOWHERE,
                                      .partial = true};
    int status = sdk_pickled_parse(head->host, &input, pickled);

    if (status == CKPT_OK)
        head->at += pickled->end_bytes;
    return status;
}

static bool
read_class(const struct sdk_pickled *p, uint32_t ref, struct loaded *loaded)
{
    const char *name;

    if (sdk_pickled_kind(p, ref) != SDK_PICKLED_GLOBAL)
        return false;
    name = sdk_pickled_name(p, ref);
    loaded->untyped = strcmp(name, "UntypedStorage") == 0;
    loaded->dtype =
        sdk_torch_class_dtype(sdk_pickled_module(p, ref), name, "Storage");
    if (loaded->untyped)
        loaded->dtype = CKPT_UINT8;
    return loaded->dtype != CKPT_DTYPE_NONE;
}

/* ('storage', class, key, location, count, None) */
static bool
read_id(const struct sdk_pickled *p, struct loaded *loaded, uint64_t *count)
{
    struct sdk_pickled_list list;
    struct ckpt_text device;
    uint32_t width_bits, pid;
    int64_t said;

    if (sdk_pickled_kind(p, p->root) != SDK_PICKLED_PERSISTENT)
        return false;
    pid = sdk_pickled_pid(p, p->root);
    if (sdk_pickled_kind(p, pid) != SDK_PICKLED_TUPLE)
        return false;
    list = sdk_pickled_list(p, pid);
    if (list.count != 6 || !sdk_pickled_is_text(p, list.refs[0], "storage") ||
        !read_class(p, list.refs[1], loaded) ||
        sdk_pickled_kind(p, list.refs[3]) != SDK_PICKLED_TEXT ||
        sdk_pickled_kind(p, list.refs[4]) != SDK_PICKLED_INT ||
        sdk_pickled_kind(p, list.refs[5]) != SDK_PICKLED_NONE)
        return false;
    device = sdk_pickled_text(p, list.refs[3]);
    if (device.size_bytes >= sizeof loaded->device ||
        memchr(device.data, '\0', device.size_bytes) != NULL)
        return false;
    memcpy(loaded->device, device.data, device.size_bytes);
    loaded->device[device.size_bytes] = '\0';
    said = sdk_pickled_at(p, list.refs[4])->as.integer;
    width_bits = ckpt_dtype_width_bits(loaded->dtype);
    if (said < 0 || said > INT64_MAX / 64)
        return false;
    *count = (uint64_t)said;
    loaded->size_bytes = *count * (width_bits < 8 ? 1 : width_bits / 8);
    return true;
}

/* CKPT_END: the bytes are no stream of one storage. */
static int
read_stream(struct head *head, struct loaded *loaded)
{
    struct sdk_pickled pickled = {0};
    uint64_t count = 0;
    int status, i;

    if (head->size_bytes < sizeof magics ||
        memcmp(head->bytes, magics, sizeof magics) != 0)
        return CKPT_END;
    head->at = sizeof magics;
    for (i = 0; i < 3; i++) {
        status = next_pickle(head, &pickled);
        if (status == CKPT_OK && i == 1 && !read_id(&pickled, loaded, &count))
            status = CKPT_END;
        sdk_pickled_fini(head->host, &pickled);
        if (status != CKPT_OK)
            return status;
    }
    if (head->size_bytes - head->at < 8 ||
        sdk_load_le64(head->bytes + head->at) != count)
        return CKPT_END;
    loaded->skip = head->at + 8;
    return CKPT_OK;
}

/* A tensor over all of the storage, as a bare storage has. */
static int
make_view(struct torch_reader *r, const struct loaded *loaded,
          const struct ckpt_storage *storage, struct ckpt_value **value)
{
    uint64_t count, width_bits = ckpt_dtype_width_bits(loaded->dtype);
    struct ckpt_tensor view = {
        .dtype = loaded->dtype, .rank = 1, .shape = &count};

    count = width_bits < 8 ? loaded->size_bytes * (8 / width_bits)
                           : loaded->size_bytes / (width_bits / 8);
    view.storage = storage;
    return sdk_torch_storage_value(r->host, r->graph, &view, loaded->untyped,
                                   sdk_torch_path(r), value);
}

int
sdk_torch_loaded_new(struct torch_reader *r, uint32_t ref,
                     struct ckpt_value **value)
{
    struct sdk_pickled_call call = sdk_pickled_call(r->pickled, ref);
    struct sdk_pickled_list args = sdk_pickled_list(r->pickled, call.args);
    struct head head = {.host = r->host};
    const struct ckpt_storage *storage;
    struct ckpt_storage like = {0};
    struct torch_payload payload;
    struct loaded loaded = {0};
    int status;

    if (args.count != 1 || call.state != SDK_PICKLED_NOTHING ||
        !sdk_torch_payload(r, args.refs[0], &payload))
        return CKPT_END;
    status = read_head(r, &payload, &head);
    if (status == CKPT_OK)
        status = read_stream(&head, &loaded);
    if (status != CKPT_OK)
        return status;
    like.size_bytes = loaded.size_bytes;
    like.word_bytes = ckpt_dtype_word_bytes(loaded.dtype);
    like.device = loaded.device;
    status = sdk_torch_payload_storage(r, ref, &payload, loaded.skip, &like,
                                       &storage);
    return status == CKPT_OK ? make_view(r, &loaded, storage, value) : status;
}
