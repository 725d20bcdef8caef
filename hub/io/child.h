/* SPDX-License-Identifier: MIT
 *
 * Code that may crash on hostile bytes, run in a process of its own. The
 * child is a copy of this process with limits on its memory, and ends with
 * it; what it does to memory is not seen here. It is left to the code in it
 * to change nothing outside.
 */
#ifndef HUB_IO_CHILD_H
#define HUB_IO_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "hub/core/budget.h"

struct hub_child {
    struct hub_budget *budget;
    void *user;
    bool (*cancelled)(void *user); /* may be NULL */
    pid_t process;                 /* 0: there is none */
    int to, from;                  /* pipes, as this side sees them */
    unsigned patience_s;           /* it must say something within; 0: 60 */
};

/* Starts a child that runs `work` with its own ends of the pipes. `child` is
 * zeroed but for budget, user, cancelled and patience. */
int hub_child_start(struct hub_child *child,
                    void (*work)(void *context, int to, int from),
                    void *context);

/* Sends all of it. A child that is gone is told by the next receive. */
void hub_child_send(struct hub_child *child, const void *data,
                    size_t size_bytes);

/* Waits for exactly so many bytes. CKPT_CONTRACT, with how it ended, if the
 * child is gone or silent for too long; CKPT_CANCELLED. */
int hub_child_receive(struct hub_child *child, void *buffer, size_t size_bytes);

/* Ends it, whatever it is at. It may never have been started. */
void hub_child_end(struct hub_child *child);

/* For the child: moves all the bytes, or says that the parent is gone. */
bool hub_child_put(int file, const void *data, size_t size_bytes);
bool hub_child_get(int file, void *buffer, size_t size_bytes);

/* Sends on, from the child, what was said of a failure; and says it here, for
 * hub_child_hear to return `failed`, or why it cannot be had. */
bool hub_child_tell(int file, const struct hub_report *report);
int hub_child_hear(struct hub_child *child, int failed);

/* Runs `work` in a child to see whether it comes to an end, and returns what
 * it returned; a failure is said here. CKPT_CONTRACT: it came to none. */
int hub_child_try(struct hub_child *child, int (*work)(void *context),
                  void *context);

#endif
