/* SPDX-License-Identifier: MIT
 *
 * The patterns of sdk/support/pattern.h, for whoever uses the library.
 */
#include "pattern.h"

#include <string.h>

#include "hub/run/user.h"

struct ckpt_pattern {
    struct hub_host host;
    char *text;
    struct sdk_pattern *pattern;
};

int
ckpt_pattern_new(struct ckpt *user, const char *text,
                 struct ckpt_pattern **pattern)
{
    struct ckpt_pattern *made;
    size_t room = strlen(text) + 1;
    int status;

    hub_user_begin(user);
    made = hub_allocate(&user->budget, sizeof *made);
    if (made == NULL)
        return user->report.status;
    hub_host_init(&made->host, &user->budget);
    made->text = hub_allocate(&user->budget, room);
    if (made->text == NULL) {
        ckpt_pattern_free(made);
        return user->report.status;
    }
    memcpy(made->text, text, room);
    status =
        hub_blame(&user->report, sdk_pattern_new(&made->host.table, made->text,
                                                 &made->pattern));
    if (status == CKPT_OK)
        *pattern = made;
    else
        ckpt_pattern_free(made);
    return status;
}

int
ckpt_pattern_match(struct ckpt_pattern *pattern, const struct ckpt_text *name,
                   bool *matches)
{
    return hub_blame(pattern->host.report,
                     sdk_pattern_match(&pattern->host.table, pattern->pattern,
                                       name, matches));
}

void
ckpt_pattern_free(struct ckpt_pattern *pattern)
{
    struct hub_budget *budget;

    if (pattern == NULL)
        return;
    budget = pattern->host.budget;
    sdk_pattern_free(&pattern->host.table, pattern->pattern);
    hub_release(budget, pattern->text);
    hub_host_fini(&pattern->host);
    hub_release(budget, pattern);
}
