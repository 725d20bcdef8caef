/* SPDX-License-Identifier: MIT
 *
 * From a walk to findings.
 */
#include <stdio.h>
#include <string.h>

#include "pickle_scan_walk.h"

#define NAME_BYTES 400
#define TEXT_BYTES 400

static const struct {
    uint32_t severity;
    const char *kind, *text;
} oddities[ODD_COUNT] = {
    [ODD_EXTENSION] = {CKPT_SEVERITY_SUSPICIOUS, "import",
                       "by an extension number, whose meaning is not in the "
                       "file"},
    [ODD_COMPUTED] = {CKPT_SEVERITY_DANGEROUS, "import",
                      "of a name that is made while loading"},
    [ODD_CALL] = {CKPT_SEVERITY_SUSPICIOUS, "call",
                  "of something that is made while loading"},
    [ODD_CHANGED] = {CKPT_SEVERITY_DANGEROUS, "change",
                     "of something imported, for all of the program"},
    [ODD_UNDERFLOW] = {CKPT_SEVERITY_SUSPICIOUS, "damaged",
                       "an opcode finds too few values on the stack"},
    [ODD_MEMO] = {CKPT_SEVERITY_SUSPICIOUS, "damaged",
                  "a memo number without a value"},
    [ODD_NUMBER] = {CKPT_SEVERITY_SUSPICIOUS, "damaged",
                    "a memo number that is not plain digits, which readers "
                    "take differently"},
    [ODD_PROTOCOL] = {CKPT_SEVERITY_SUSPICIOUS, "damaged",
                      "a protocol that is unknown, or told amidst the "
                      "pickle"},
    [ODD_DEEP] = {CKPT_SEVERITY_SUSPICIOUS, "damaged",
                  "more values at once than a pickle needs"},
};

static int
find(const struct pickle_scan_view *view, const struct ckpt_finding *like,
     uint64_t at)
{
    struct ckpt_finding finding = *like;

    finding.place = view->place;
    finding.byte = pickle_scan_byte(view, at);
    return view->host->finding_add(view->host, &finding, sizeof finding);
}

int
pickle_scan_find(const struct pickle_scan_view *view, uint32_t severity,
                 const char *kind, const char *name, uint64_t at,
                 const char *text)
{
    struct ckpt_finding finding = {
        .severity = severity, .kind = kind, .name = name, .text = text};

    return find(view, &finding, at);
}

static int
report_call(const struct pickle_scan_view *view,
            const struct pickle_scan_global *global,
            struct ckpt_finding *finding)
{
    char text[TEXT_BYTES];

    finding->kind = "call";
    finding->count = global->call_count;
    if (global->argument != NULL) {
        snprintf(text, sizeof text, "%s; with '%.200s'", global->why,
                 global->argument);
        finding->text = text;
    }
    return find(view, finding, global->call_byte);
}

static int
report_global(const struct pickle_scan_view *view,
              const struct pickle_scan_global *global)
{
    char name[NAME_BYTES];
    struct ckpt_finding finding = {.severity = global->severity,
                                   .kind = "import",
                                   .name = name,
                                   .count = global->import_count,
                                   .text = global->why};
    int status;

    snprintf(name, sizeof name, "%.190s.%.190s", global->module, global->name);
    if (!global->plain && finding.severity == CKPT_SEVERITY_NOTE)
        finding.severity = CKPT_SEVERITY_SUSPICIOUS;
    status = find(view, &finding, global->import_byte);
    if (status == CKPT_OK && global->call_count > 0)
        status = report_call(view, global, &finding);
    if (status == CKPT_OK && global->set_count > 0 &&
        finding.severity > CKPT_SEVERITY_NOTE) {
        finding.kind = "state";
        finding.count = global->set_count;
        finding.text = "what it makes is handed a state or items, which its "
                       "own code takes";
        status = find(view, &finding, global->set_byte);
    }
    return status;
}

static int
report_oddities(const struct pickle_scan_walk *walk)
{
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < ODD_COUNT && status == CKPT_OK; i++) {
        struct ckpt_finding finding = {.severity = oddities[i].severity,
                                       .kind = oddities[i].kind,
                                       .text = oddities[i].text,
                                       .count = walk->oddities[i]};

        if (finding.count > 0)
            status = find(walk->view, &finding, walk->odd_bytes[i]);
    }
    return status;
}

int
pickle_scan_report(const struct pickle_scan_walk *walk)
{
    char text[TEXT_BYTES];
    size_t i;
    int status;

    snprintf(text, sizeof text, "a pickle; opcodes %llu, imports %zu",
             (unsigned long long)walk->opcode_count, walk->global_count);
    status = pickle_scan_find(walk->view, CKPT_SEVERITY_NOTE, "scanned", NULL,
                              walk->begin, text);
    for (i = 0; i < walk->global_count && status == CKPT_OK; i++)
        status = report_global(walk->view, walk->globals[i]);
    if (status == CKPT_OK)
        status = report_oddities(walk);
    if (status == CKPT_OK && walk->broken != NULL) {
        snprintf(text, sizeof text,
                 "a pickle that breaks off: %s; what comes before is loaded",
                 walk->broken);
        status = pickle_scan_find(walk->view, CKPT_SEVERITY_SUSPICIOUS,
                                  "damaged", NULL, walk->opcode, text);
    }
    return status;
}
