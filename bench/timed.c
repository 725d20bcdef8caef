/* SPDX-License-Identifier: MIT
 *
 * timed FILE COMMAND...: runs the command and writes to FILE, in one line,
 * its exit status, wall seconds, processor seconds, and peak memory in KiB.
 * It is so small because the peak of a new process begins with that of the
 * process it was forked from.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
timed_seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double
timed_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
    struct rusage used;
    double begin, wall;
    FILE *file;
    int status;
    pid_t child;

    if (argc < 3)
        return 2;
    begin = timed_now();
    child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child)
        return 1;
    wall = timed_now() - begin;
    file = fopen(argv[1], "w");
    if (!file)
        return 1;
    fprintf(file, "%d %.6f %.6f %ld\n",
            WIFEXITED(status) ? WEXITSTATUS(status) : 128, wall,
            timed_seconds(used.ru_utime) + timed_seconds(used.ru_stime),
            used.ru_maxrss);
    return fclose(file) == 0 ? 0 : 1;
}
