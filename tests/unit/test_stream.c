/* SPDX-License-Identifier: MIT
 *
 * Streams: the same bytes come out wherever a storage keeps them, and a coder
 * that gives too few or too many is told so.
 */
#include "file_unit.h"
#include "graph_unit.h"

#include "hub/io/stream.h"

/* A coder over bytes in memory, in runs of `step`. */
struct coder {
    struct hub_coder coder;
    const unsigned char *bytes;
    size_t size_bytes, step, at;
    int opened, closed;
};

static int
coder_open(struct hub_coder *hub, const struct ckpt_storage *storage,
           void **cursor)
{
    struct coder *coder = (struct coder *)hub;

    assert_int_equal(storage->cursor_key, 5);
    coder->at = 0;
    coder->opened++;
    *cursor = coder;
    return CKPT_OK;
}

static int
coder_next(struct hub_coder *hub, void *cursor, struct ckpt_span *span)
{
    struct coder *coder = cursor;
    size_t left = coder->size_bytes - coder->at;

    assert_ptr_equal(hub, cursor);
    if (left == 0)
        return CKPT_END;
    span->data = coder->bytes + coder->at;
    span->size_bytes = left < coder->step ? left : coder->step;
    coder->at += span->size_bytes;
    return CKPT_OK;
}

static void
coder_close(struct hub_coder *hub, void *cursor)
{
    assert_ptr_equal(hub, cursor);
    ((struct coder *)cursor)->closed++;
}

struct scene {
    struct unit *unit;
    struct folder folder;
    struct hub_graph graph;
    struct hub_spool spool;
    struct ckpt_source *source;
    struct coder coder;
    unsigned char bytes[240];
};

static void
scene_begin(struct scene *scene, struct unit *unit)
{
    size_t i;

    memset(scene, 0, sizeof *scene);
    scene->unit = unit;
    scene->folder = folder_begin();
    scene->graph = graph_begin(unit);
    scene->spool.budget = &unit->budget;
    scene->spool.folder = scene->folder.path;
    scene->coder.coder =
        (struct hub_coder){coder_open, coder_next, coder_close, 0};
    scene->coder.bytes = scene->bytes;
    scene->coder.size_bytes = sizeof scene->bytes;
    scene->coder.step = 7;
    scene->graph.coder = &scene->coder.coder;
    for (i = 0; i < sizeof scene->bytes; i++)
        scene->bytes[i] = (unsigned char)(i * 11);
    folder_write(&scene->folder, "in", scene->bytes, sizeof scene->bytes);
    assert_status(hub_source_open(&unit->budget,
                                  folder_path(&scene->folder, "in"),
                                  &scene->source),
                  CKPT_OK);
}

static void
scene_end(struct scene *scene)
{
    assert_int_equal(scene->coder.opened, scene->coder.closed);
    hub_spool_fini(&scene->spool);
    hub_graph_fini(&scene->graph);
    hub_source_free(scene->source);
    folder_end(&scene->folder);
}

static const struct ckpt_storage *
scene_storage(struct scene *scene, uint32_t place)
{
    struct ckpt_storage like = {.place = place, .cursor_key = 5};
    const struct ckpt_storage *storage = NULL;

    like.size_bytes = sizeof scene->bytes;
    like.source = place == CKPT_PLACE_SPAN ? scene->source : NULL;
    like.data = scene->bytes;
    assert_status(
        hub_storage_new(&scene->graph, &like, sizeof scene->bytes, &storage),
        CKPT_OK);
    return storage;
}

/* All runs in one piece, taken in steps of `step`; the status that ended
 * them. */
static int
drain(struct hub_stream *stream, uint64_t step, unsigned char *out,
      size_t *size_bytes)
{
    const struct hub_run *run;
    uint64_t take;
    int status;

    *size_bytes = 0;
    while ((status = hub_stream_run(stream, &run)) == CKPT_OK) {
        assert_true(run->size_bytes > 0);
        take = run->size_bytes < step ? run->size_bytes : step;
        assert_true(*size_bytes + take <= 1000);
        if (run->source == NULL)
            memcpy(out + *size_bytes, run->data, (size_t)take);
        else
            assert_status(hub_source_read(run->source, run->offset,
                                          out + *size_bytes, (size_t)take),
                          CKPT_OK);
        hub_stream_take(stream, take);
        *size_bytes += (size_t)take;
    }
    return status;
}

/* The same through a buffer of `step` bytes. */
static int
drain_filled(struct hub_stream *stream, size_t step, unsigned char *out,
             size_t *size_bytes)
{
    size_t filled;
    int status;

    *size_bytes = 0;
    for (;;) {
        assert_true(*size_bytes + step <= 1000);
        status = hub_stream_fill(stream, out + *size_bytes, step, &filled);
        if (status != CKPT_OK)
            return status;
        assert_in_range(filled, 1, step);
        *size_bytes += filled;
    }
}

static void
assert_tensor(struct scene *scene, const struct ckpt_storage *storage,
              uint64_t columns, uint64_t offset, bool turned)
{
    const uint64_t shape[] = {turned ? columns : 4, turned ? 4 : columns};
    const uint64_t strides[] = {turned ? 1 : columns, turned ? columns : 1};
    struct ckpt_tensor like = {.dtype = CKPT_UINT16, .rank = 2};
    struct hub_stream stream;
    struct ckpt_value *value;
    unsigned char got[1000];
    size_t size, i, k, at = 0;
    uint64_t from;

    like.shape = shape;
    like.strides = strides;
    like.offset = offset;
    like.storage = storage;
    assert_status(hub_tensor_new(&scene->graph, &like, NULL, &value), CKPT_OK);
    assert_status(hub_stream_tensor(&stream, &scene->spool, value->as.tensor),
                  CKPT_OK);
    assert_status(drain(&stream, 33, got, &size), CKPT_END);
    hub_stream_fini(&stream);
    assert_int_equal(size, 4 * columns * 2);
    for (i = 0; i < shape[0]; i++)
        for (k = 0; k < shape[1]; k++, at += 2) {
            from = 2 * (offset + i * strides[0] + k * strides[1]);
            assert_memory_equal(got + at, scene->bytes + from, 2);
        }
}

static void
test_places_are_alike(void **state)
{
    static const uint32_t places[] = {CKPT_PLACE_SPAN, CKPT_PLACE_OWNED,
                                      CKPT_PLACE_CODED};
    const struct ckpt_storage *storage;
    struct hub_stream stream;
    struct scene scene;
    unsigned char got[1000];
    size_t i, size;

    for (i = 0; i < COUNT_OF(places); i++) {
        scene_begin(&scene, *state);
        storage = scene_storage(&scene, places[i]);
        hub_stream_storage(&stream, &scene.spool, storage);
        assert_status(drain(&stream, 1000, got, &size), CKPT_END);
        hub_stream_fini(&stream);
        assert_int_equal(size, sizeof scene.bytes);
        assert_memory_equal(got, scene.bytes, size);
        assert_tensor(&scene, storage, 30, 0, false);
        assert_tensor(&scene, storage, 30, 0, true);
        assert_tensor(&scene, storage, 20, 7, false);
        assert_tensor(&scene, storage, 20, 40, true);
        assert_true(scene.coder.opened <= 3);
        scene_end(&scene);
    }
}

static void
test_empty_tensors_read_nothing(void **state)
{
    static const uint64_t shape[] = {0, 5}, strides[] = {99, 99};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 2};
    const struct hub_run *run;
    struct hub_stream stream;
    struct ckpt_value *value;
    struct scene scene;

    scene_begin(&scene, *state);
    like.shape = shape;
    like.strides = strides;
    like.offset = UINT64_MAX;
    like.storage = scene_storage(&scene, CKPT_PLACE_CODED);
    assert_status(hub_tensor_new(&scene.graph, &like, NULL, &value), CKPT_OK);
    assert_status(hub_stream_tensor(&stream, &scene.spool, value->as.tensor),
                  CKPT_OK);
    assert_status(hub_stream_run(&stream, &run), CKPT_END);
    hub_stream_fini(&stream);
    assert_int_equal(scene.coder.opened, 0);
    scene_end(&scene);
}

/* More or fewer bytes than the storage has, cut anywhere. */
static void
test_coders_that_miscount(void **state)
{
    static const struct {
        size_t coded, stored, step;
    } rows[] = {{239, 240, 7},  {0, 240, 7},    {240, 239, 7}, {240, 210, 7},
                {240, 230, 10}, {240, 10, 240}, {120, 240, 60}};
    struct ckpt_storage like = {.place = CKPT_PLACE_CODED, .cursor_key = 5};
    const struct ckpt_storage *storage;
    struct hub_stream stream;
    struct scene scene;
    unsigned char got[1000];
    size_t i, size;

    for (i = 0; i < COUNT_OF(rows); i++) {
        scene_begin(&scene, *state);
        hub_report_clear(&scene.unit->report);
        scene.coder.size_bytes = rows[i].coded;
        scene.coder.step = rows[i].step;
        like.size_bytes = rows[i].stored;
        assert_status(hub_storage_new(&scene.graph, &like, 0, &storage),
                      CKPT_OK);
        hub_stream_storage(&stream, &scene.spool, storage);
        if (drain(&stream, 1000, got, &size) != CKPT_FORMAT)
            fail_msg("row %zu was taken", i);
        assert_contains(scene.unit->report.text, "decodes to");
        hub_stream_fini(&stream);
        scene_end(&scene);
    }
}

static void
test_made_storage(void **state)
{
    static const uint64_t shape[] = {3, 2}, strides[] = {1, 3};
    struct ckpt_tensor like = {.dtype = CKPT_UINT8, .rank = 2};
    struct ckpt_storage made = {.size_bytes = 20};
    const struct ckpt_storage *storage;
    struct hub_piece pieces[2];
    struct ckpt_value *turned, *plain;
    struct hub_stream stream;
    struct scene scene;
    unsigned char got[1000], wanted[20] = {0};
    size_t size;

    scene_begin(&scene, *state);
    like.shape = shape;
    like.strides = strides;
    like.storage = scene_storage(&scene, CKPT_PLACE_SPAN);
    assert_status(hub_tensor_new(&scene.graph, &like, NULL, &turned), CKPT_OK);
    like.strides = NULL;
    like.offset = 9;
    like.storage = scene_storage(&scene, CKPT_PLACE_CODED);
    assert_status(hub_tensor_new(&scene.graph, &like, NULL, &plain), CKPT_OK);
    pieces[0] = (struct hub_piece){2, turned->as.tensor};
    pieces[1] = (struct hub_piece){10, plain->as.tensor};
    assert_status(hub_storage_made(&scene.graph, &made, pieces, 2, &storage),
                  CKPT_OK);
    hub_stream_storage(&stream, &scene.spool, storage);
    assert_status(drain(&stream, 1000, got, &size), CKPT_END);
    hub_stream_fini(&stream);
    for (size = 0; size < 6; size++)
        wanted[2 + size] = scene.bytes[size / 2 + size % 2 * 3];
    memcpy(wanted + 10, scene.bytes + 9, 6);
    assert_memory_equal(got, wanted, 20);
    scene_end(&scene);
}

static void
test_stream_that_is_given_up(void **state)
{
    const struct hub_run *run;
    struct hub_stream stream;
    struct scene scene;

    scene_begin(&scene, *state);
    hub_stream_storage(&stream, &scene.spool,
                       scene_storage(&scene, CKPT_PLACE_CODED));
    assert_status(hub_stream_run(&stream, &run), CKPT_OK);
    hub_stream_fini(&stream);
    hub_stream_fini(&stream);
    assert_int_equal(scene.coder.closed, 1);
    scene_end(&scene);
}

/* Big-endian words of each size, cut by runs and buffers at odd places. */
static void
test_words_are_turned_round(void **state)
{
    static const uint32_t words[] = {1, 2, 4, 8};
    static const uint32_t places[] = {CKPT_PLACE_SPAN, CKPT_PLACE_OWNED,
                                      CKPT_PLACE_CODED};
    struct ckpt_storage like = {
        .byte_order = CKPT_BIG_ENDIAN, .size_bytes = 240, .cursor_key = 5};
    const struct ckpt_storage *storage;
    struct hub_stream stream;
    struct scene scene;
    unsigned char got[1000];
    size_t i, k, size, at, buffer;

    for (i = 0; i < COUNT_OF(words) * COUNT_OF(places); i++) {
        scene_begin(&scene, *state);
        scene.coder.step = 40;
        like.word_bytes = words[i % COUNT_OF(words)];
        like.place = places[i / COUNT_OF(words)];
        like.source = like.place == CKPT_PLACE_SPAN ? scene.source : NULL;
        like.data = scene.bytes;
        assert_status(hub_storage_new(&scene.graph, &like, 240, &storage),
                      CKPT_OK);
        for (buffer = 16; buffer < 40; buffer++) {
            hub_stream_storage(&stream, &scene.spool, storage);
            assert_status(drain_filled(&stream, buffer, got, &size), CKPT_END);
            hub_stream_fini(&stream);
            assert_int_equal(size, 240);
            for (k = 0; k < size; k++) {
                at = k - k % like.word_bytes + like.word_bytes - 1 -
                     k % like.word_bytes;
                assert_int_equal(got[k], scene.bytes[at]);
            }
        }
        scene_end(&scene);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        unit_case(test_places_are_alike),
        unit_case(test_empty_tensors_read_nothing),
        unit_case(test_coders_that_miscount),
        unit_case(test_made_storage),
        unit_case(test_stream_that_is_given_up),
        unit_case(test_words_are_turned_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
