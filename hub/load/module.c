/* SPDX-License-Identifier: MIT
 *
 * The few facts of an ELF file that decide whether mapping it is safe: the
 * class, and that every segment to be loaded lies within the file.
 */
#include "hub/load/module.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"

#define HEADERS_MAX 64

static bool
module_segments_fit(int file, const ElfW(Ehdr) * head, uint64_t size)
{
    ElfW(Phdr) segments[HEADERS_MAX];
    size_t i, bytes = head->e_phnum * sizeof *segments;

    if (head->e_phentsize != sizeof *segments || head->e_phnum > HEADERS_MAX ||
        pread(file, segments, bytes, (off_t)head->e_phoff) != (ssize_t)bytes)
        return false;
    for (i = 0; i < head->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD &&
            !sdk_within(segments[i].p_offset, segments[i].p_filesz, size))
            return false;
    return true;
}

static const char *
module_look(int file)
{
    ElfW(Ehdr) head;
    struct stat seen;

    if (fstat(file, &seen) != 0 || !S_ISREG(seen.st_mode))
        return "it is no regular file";
    if (pread(file, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_type != ET_DYN)
        return "it is no shared object";
    if (head.e_ident[EI_CLASS] !=
        (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return "it is a shared object of another machine";
    if (!module_segments_fit(file, &head, (uint64_t)seen.st_size))
        return "it is cut short";
    return NULL;
}

const char *
hub_module_problem(const char *path)
{
    const char *problem;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return "it cannot be opened";
    problem = module_look(file);
    close(file);
    return problem;
}
