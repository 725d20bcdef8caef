/* SPDX-License-Identifier: MIT
 *
 * One input: its sources, its reader, and the graph that came of it.
 */
#ifndef HUB_RUN_READING_H
#define HUB_RUN_READING_H

#include "hub/graph/graph.h"
#include "hub/io/stream.h"
#include "hub/run/confined.h"
#include "hub/run/transform.h"

struct hub_reading {
    struct hub_coder coder;       /* first: how coded storages find back here */
    struct hub_confined confined; /* around it, for a fragile reader */
    struct ckpt *user;
    struct hub_host host;
    struct hub_arena arena;
    struct hub_format *format;
    struct ckpt_evidence evidence;
    struct hub_findings findings;
    const struct ckpt_source *source;
    char *path;     /* as it is shown */
    void *self;     /* the reader's */
    bool verifying; /* set before: verify follows, if there is one */
    bool opened;
    bool packed;                /* the source is what the file unpacks to */
    struct hub_graph described; /* what the reader said */
    struct hub_graph restored;  /* what the side record made of it */
    bool from_record;           /* the side record was used */
    struct hub_named *named;    /* by options of the reader */
    struct hub_transforms transforms;
    struct hub_spool spool;         /* while transforms are applied */
    const struct ckpt_graph *graph; /* the one that counts */
    const struct ckpt_graph *begun; /* before the transforms */
    const struct ckpt_graph *after; /* whose ids come before; or NULL */
};

/* Opens, detects, describes, restores, transforms. The reading must be zeroed,
 * but for `after` and `verifying`, and may be given to fini whatever comes of
 * it. */
int hub_reading_init(struct hub_reading *reading, struct ckpt *user,
                     const struct ckpt_input *input);
/* From here on payload may be asked for: what must be laid down for that goes
 * to the spool, which is borrowed until fini. */
void hub_reading_spool(struct hub_reading *reading, struct hub_spool *spool);

/* CKPT_IO if one of the files that were read is not what it was. */
int hub_reading_unchanged(const struct hub_reading *reading);

void hub_reading_fini(struct hub_reading *reading);

#endif
