/* SPDX-License-Identifier: MIT
 *
 * Which files options and transforms name, as a program hears of them that is
 * about to confine itself.
 */
#include "unit.h"

#include "ckpt.h"
#include "hub/load/loader.h"
#include "hub/run/user.h"

static const struct ckpt_option toy_options[] = {
    {"level", CKPT_OPTION_INT, "1", "a number", NULL},
    {"model", CKPT_OPTION_FILE, NULL, "a file", NULL},
    {"like", CKPT_OPTION_GRAPH, NULL, "a graph", NULL},
    {0},
};

static const char *const toy_suffixes[] = {".toy", NULL};

static int
toy_probe(const struct ckpt_host *host, const struct ckpt_source *source,
          struct ckpt_evidence *evidence)
{
    (void)host;
    (void)source;
    (void)evidence;
    return CKPT_OK;
}

static int
toy_read(const struct ckpt_host *host, const struct ckpt_source *source,
         const struct ckpt_option_value *options, void **self)
{
    (void)source;
    (void)options;
    (void)self;
    (void)host;
    return CKPT_UNSUPPORTED;
}

static int
toy_describe(const struct ckpt_host *host, void *self, struct ckpt_graph *graph)
{
    (void)self;
    (void)graph;
    (void)host;
    return CKPT_UNSUPPORTED;
}

static int
toy_write(const struct ckpt_host *host, const struct ckpt_option_value *options,
          void **self)
{
    return toy_read(host, NULL, options, self);
}

static int
toy_plan(const struct ckpt_host *host, void *self,
         const struct ckpt_graph *graph, struct ckpt_plan *plan)
{
    (void)plan;
    return toy_describe(host, self, (struct ckpt_graph *)(uintptr_t)graph);
}

static int
toy_transform(const struct ckpt_host *host, const char *argument,
              const struct ckpt_option_value *options, void **self)
{
    (void)argument;
    return toy_read(host, NULL, options, self);
}

static int
toy_apply(const struct ckpt_host *host, void *self,
          const struct ckpt_graph *const *graphs, size_t graph_count,
          struct ckpt_edits *edits)
{
    (void)self;
    (void)graphs;
    (void)graph_count;
    (void)edits;
    (void)host;
    return CKPT_UNSUPPORTED;
}

static void
toy_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

static const struct ckpt_reader toy_reader = {.size = sizeof toy_reader,
                                              .id = "toy",
                                              .summary = "a toy",
                                              .suffixes = toy_suffixes,
                                              .options = toy_options,
                                              .probe = toy_probe,
                                              .open = toy_read,
                                              .describe = toy_describe,
                                              .close = toy_close};

static const struct ckpt_writer toy_writer = {.size = sizeof toy_writer,
                                              .id = "toy",
                                              .summary = "a toy",
                                              .suffixes = toy_suffixes,
                                              .options = toy_options,
                                              .open = toy_write,
                                              .plan = toy_plan,
                                              .close = toy_close};

/* Its argument is text for the one, a graph for the other. */
static const struct ckpt_transform toy_text = {.size = sizeof toy_text,
                                               .id = "text",
                                               .summary = "a toy",
                                               .argument = "[TEXT]",
                                               .options = toy_options,
                                               .inputs_max = 2,
                                               .open = toy_transform,
                                               .apply = toy_apply,
                                               .close = toy_close};

static const struct ckpt_transform toy_graph = {.size = sizeof toy_graph,
                                                .id = "graph",
                                                .summary = "a toy",
                                                .argument = "OTHER",
                                                .options = toy_options,
                                                .inputs_max = 3,
                                                .open = toy_transform,
                                                .apply = toy_apply,
                                                .close = toy_close,
                                                .argument_kind =
                                                    CKPT_OPTION_GRAPH};

static const struct ckpt_reader *const toy_readers[] = {&toy_reader, NULL};
static const struct ckpt_writer *const toy_writers[] = {&toy_writer, NULL};
static const struct ckpt_transform *const toy_transforms[] = {&toy_text,
                                                              &toy_graph, NULL};

static const struct ckpt_plugin toy = {.abi = CKPT_ABI,
                                       .size = sizeof toy,
                                       .id = "toy",
                                       .version = "1",
                                       .summary = "a toy",
                                       .readers = toy_readers,
                                       .writers = toy_writers,
                                       .transforms = toy_transforms};

static void
told(void *context, const char *path)
{
    char *text = context;
    size_t used = strlen(text);

    snprintf(text + used, 200 - used, "%s ", path);
}

static void
assert_named(const struct ckpt_conversion *conversion, const char *wanted)
{
    char text[200] = "";
    struct ckpt *user;

    assert_status(ckpt_new(NULL, &user), CKPT_OK);
    assert_status(hub_plugin_static(&user->registry, &toy), CKPT_OK);
    ckpt_files_named(user, conversion, told, text);
    assert_string_equal(text, wanted);
    assert_string_equal(ckpt_error(user), "");
    ckpt_free(user);
}

static void
test_of_readers(void **state)
{
    static const char *const given[] = {"level=9", "model=a/b", "like=c=d,e",
                                        "mode=x",  "model",     NULL};
    struct ckpt_conversion conversion = CKPT_CONVERSION;

    (void)state;
    conversion.input.options = given;
    assert_named(&conversion, "a/b c=d,e ");
    conversion.input.from = "toy";
    assert_named(&conversion, "a/b c=d,e ");
    conversion.input.from = "none";
    assert_named(&conversion, "");
}

static void
test_of_writers(void **state)
{
    static const char *const given[] = {"model=m", "level=2", NULL};
    struct ckpt_conversion conversion = CKPT_CONVERSION;

    (void)state;
    conversion.output_options = given;
    assert_named(&conversion, "");
    conversion.output = "folder.x/out.toy";
    assert_named(&conversion, "m ");
    conversion.output = "folder.toy/out";
    assert_named(&conversion, "");
    conversion.to = "toy";
    assert_named(&conversion, "m ");
    conversion.to = "none";
    assert_named(&conversion, "");
}

static void
test_of_transforms(void **state)
{
    static const char *const texts[] = {"text:a,model=b,c,level=3",
                                        "graph:d,e,like=f",
                                        "graph:i,like=j,like=k",
                                        "text:like=g",
                                        "graph",
                                        "none:model=h",
                                        "text:model=",
                                        NULL};
    struct ckpt_conversion conversion = CKPT_CONVERSION;

    (void)state;
    conversion.input.transforms = texts;
    assert_named(&conversion, "b,c f d,e j k i g ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_readers),
        cmocka_unit_test(test_of_writers),
        cmocka_unit_test(test_of_transforms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
