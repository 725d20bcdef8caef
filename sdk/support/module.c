/* SPDX-License-Identifier: MIT
 *
 * The few facts of an ELF file that decide whether mapping it is safe: the
 * class, and that every segment to be loaded lies within the file. And the
 * second shared object of a plugin, which is found from where the first one
 * lies: this code is linked into it.
 */
#include "module.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked.h"

#define HEADERS_MAX 64
#define LATER_FOLDER "later/"
#define LATER_SYMBOL "ckpt_later"

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
sdk_module_problem(const char *path)
{
    const char *problem;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return "it cannot be opened";
    problem = module_look(file);
    close(file);
    return problem;
}

static const void *
later_refuse(const struct ckpt_host *host, const char *path, const char *reason)
{
    size_t length = strlen(path);

    /* The system's loader puts the path before what it says. */
    if (strncmp(reason, path, length) == 0 && reason[length] == ':')
        reason += length + 1 + strspn(reason + length + 1, " ");
    host->remedy(host, "install this plugin again, with all that it needs");
    host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
               "its part %s cannot be used: %s", path, reason);
    return NULL;
}

/* FOLDER/NAME.so of this code itself becomes FOLDER/later/NAME.so. */
static bool
later_path(char path[PATH_MAX])
{
    const char *own, *name;
    Dl_info info;
    int length;

    if (dladdr((const void *)(uintptr_t)&sdk_module_later, &info) == 0)
        return false;
    own = info.dli_fname;
    name = strrchr(own, '/');
    name = name != NULL ? name + 1 : own;
    length = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(name - own), own,
                      LATER_FOLDER, name);
    return length > 0 && length < PATH_MAX;
}

const void *
sdk_module_later(const struct ckpt_host *host, size_t size_bytes)
{
    const char *problem;
    const size_t *table;
    char path[PATH_MAX];
    void *module;

    if (!later_path(path))
        return later_refuse(host, LATER_FOLDER, "its path is too long");
    problem = sdk_module_problem(path);
    if (problem != NULL)
        return later_refuse(host, path, problem);
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module == NULL)
        return later_refuse(host, path, dlerror());
    table = dlsym(module, LATER_SYMBOL);
    if (table == NULL)
        return later_refuse(host, path, "it has no symbol '" LATER_SYMBOL "'");
    if (*table != size_bytes)
        return later_refuse(host, path, "it is of another version");
    return table;
}
