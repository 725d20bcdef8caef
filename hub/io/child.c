/* SPDX-License-Identifier: MIT
 *
 * Two pipes and a fork. How a child ended is told from its wait status: by
 * then it has either said its last byte or not.
 */
#include "hub/io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define PATIENCE_S 60
#define LOOK_MS 100 /* between two looks at whether to stop */
/* More than the budget, which libraries do not ask. */
#define MEMORY_BYTES ((rlim_t)1 << 30)

/* No more memory than this process has, and some. Address space that a
 * sanitizer keeps is within what there is. */
static void
child_limit(void)
{
    struct rlimit limit = {0, 0};
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    setrlimit(RLIMIT_CORE, &limit);
    if (file == NULL)
        return;
    if (fscanf(file, "%llu", &pages) == 1 &&
        getrlimit(RLIMIT_AS, &limit) == 0) {
        limit.rlim_cur =
            (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY_BYTES;
        if (limit.rlim_cur < limit.rlim_max)
            setrlimit(RLIMIT_AS, &limit);
    }
    fclose(file);
}

static void
child_run(void (*work)(void *context, int to, int from), void *context,
          const int *there, const int *back, struct hub_report *report)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV,
                                  SIGBUS, SIGFPE,  SIGILL, SIGABRT};
    size_t i;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    close(there[1]);
    close(back[0]);
    child_limit();
    report->message = NULL;
    work(context, back[1], there[0]);
    _exit(0);
}

static void
pipe_close(const int *ends)
{
    if (ends[0] >= 0)
        close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
}

int
hub_child_start(struct hub_child *child,
                void (*work)(void *context, int to, int from), void *context)
{
    struct hub_report *report = child->budget->report;
    int there[2] = {-1, -1}, back[2] = {-1, -1}, error;
    pid_t process = -1;

    if (pipe2(there, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0)
        process = fork();
    if (process == 0)
        child_run(work, context, there, back, report);
    error = errno;
    if (process < 0) {
        pipe_close(there);
        pipe_close(back);
        return hub_fail_errno(report, error, "cannot start a process");
    }
    close(there[0]);
    close(back[1]);
    /* A wider pipe is faster, and no more than that. */
    (void)fcntl(back[0], F_SETPIPE_SZ, PIPE_BYTES);
    child->process = process;
    child->to = there[1];
    child->from = back[0];
    return CKPT_OK;
}

bool
hub_child_put(int file, const void *data, size_t size_bytes)
{
    const unsigned char *at = data;
    ssize_t put;

    while (size_bytes > 0) {
        put = write(file, at, size_bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size_bytes -= (size_t)put;
    }
    return true;
}

bool
hub_child_get(int file, void *buffer, size_t size_bytes)
{
    unsigned char *at = buffer;
    ssize_t got;

    while (size_bytes > 0) {
        got = read(file, at, size_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size_bytes -= (size_t)got;
    }
    return true;
}

void
hub_child_send(struct hub_child *child, const void *data, size_t size_bytes)
{
    sigset_t pipe_signal, before, pending;

    /* A library leaves the process's signals as they are. */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    (void)hub_child_put(child->to, data, size_bytes);
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1 &&
        sigismember(&before, SIGPIPE) == 0)
        sigtimedwait(&pipe_signal, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* How a child that closed its pipe came to its end. */
static int
child_ended(struct hub_child *child)
{
    struct hub_report *report = child->budget->report;
    int how = 0;

    while (waitpid(child->process, &how, 0) < 0 && errno == EINTR)
        continue;
    child->process = 0;
    close(child->to);
    close(child->from);
    if (WIFSIGNALED(how))
        return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "it crashed on this file (SIG%s)",
                        sigabbrev_np(WTERMSIG(how)));
    return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                    "it ended the process that it ran in on this file");
}

int
hub_child_receive(struct hub_child *child, void *buffer, size_t size_bytes)
{
    struct hub_report *report = child->budget->report;
    struct pollfd poll_from = {.fd = child->from, .events = POLLIN};
    unsigned patience = child->patience_s > 0 ? child->patience_s : PATIENCE_S;
    unsigned char *at = buffer;
    uint64_t waited_ms = 0;
    ssize_t got;

    while (size_bytes > 0) {
        if (child->cancelled != NULL && child->cancelled(child->user))
            return hub_fail(report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                            "stopped");
        if (poll(&poll_from, 1, LOOK_MS) <= 0) {
            waited_ms += LOOK_MS;
            if (waited_ms > (uint64_t)patience * 1000)
                return hub_fail(report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                                "it said nothing for %u s", patience);
            continue;
        }
        got = read(child->from, at, size_bytes);
        if (got == 0)
            return child_ended(child);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return hub_fail_errno(report, errno, "cannot hear its process");
        at += got;
        size_bytes -= (size_t)got;
        waited_ms = 0;
    }
    return CKPT_OK;
}

void
hub_child_end(struct hub_child *child)
{
    if (child->process <= 0)
        return;
    close(child->to);
    close(child->from);
    kill(child->process, SIGKILL);
    while (waitpid(child->process, NULL, 0) < 0 && errno == EINTR)
        continue;
    child->process = 0;
}

struct failure {
    char text[sizeof((struct hub_report *)0)->text];
    char remedy[sizeof((struct hub_report *)0)->remedy];
};

bool
hub_child_tell(int file, const struct hub_report *report)
{
    struct failure failure;

    memcpy(failure.text, report->text, sizeof failure.text);
    memcpy(failure.remedy, report->remedy, sizeof failure.remedy);
    return hub_child_put(file, &failure, sizeof failure);
}

int
hub_child_hear(struct hub_child *child, int failed)
{
    struct hub_report *report = child->budget->report;
    struct failure failure;
    int status = hub_child_receive(child, &failure, sizeof failure);

    if (status != CKPT_OK)
        return status;
    if (report->status != CKPT_OK)
        return failed;
    report->status = failed;
    memcpy(report->text, failure.text, sizeof report->text);
    memcpy(report->remedy, failure.remedy, sizeof report->remedy);
    report->text[sizeof report->text - 1] = '\0';
    report->remedy[sizeof report->remedy - 1] = '\0';
    return failed;
}

struct trial {
    int (*work)(void *context);
    void *context;
    const struct hub_report *report;
};

static void
trial_run(void *context, int to, int from)
{
    const struct trial *trial = context;
    int32_t status = trial->work(trial->context);

    (void)from;
    if (hub_child_put(to, &status, sizeof status) && status < 0)
        (void)hub_child_tell(to, trial->report);
}

int
hub_child_try(struct hub_child *child, int (*work)(void *context),
              void *context)
{
    struct trial trial = {work, context, child->budget->report};
    int status = hub_child_start(child, trial_run, &trial);
    int32_t returned = CKPT_OK;

    if (status == CKPT_OK)
        status = hub_child_receive(child, &returned, sizeof returned);
    if (status == CKPT_OK)
        status = returned < 0 ? hub_child_hear(child, returned) : returned;
    hub_child_end(child);
    return status;
}
