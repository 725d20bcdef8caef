/* SPDX-License-Identifier: MIT
 *
 * The sandbox: Landlock for files by its three system calls, seccomp through
 * libseccomp for the rest. Every step that fails is left out.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Later than the oldest headers that we build with. */
#define SANDBOX_TRUNCATE (UINT64_C(1) << 14)
#define SANDBOX_IOCTL_DEVICE (UINT64_C(1) << 15)

#define SANDBOX_READ_FILE LANDLOCK_ACCESS_FS_READ_FILE
#define SANDBOX_READ (SANDBOX_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define SANDBOX_WRITE                                               \
    (SANDBOX_READ | LANDLOCK_ACCESS_FS_WRITE_FILE |                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | \
     SANDBOX_TRUNCATE)

/* Sanitizers trace their own process and read its maps when it ends. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_UNDER_SANITIZER true
#else
#define SANDBOX_UNDER_SANITIZER false
#endif

/* The rights that a kernel of this ABI can govern: it refuses others. */
static uint64_t
sandbox_rights(int abi)
{
    uint64_t rights = (UINT64_C(1) << 13) - 1;

    if (abi >= 2)
        rights |= UINT64_C(1) << 13; /* linking across folders */
    if (abi >= 3)
        rights |= SANDBOX_TRUNCATE;
    if (abi >= 5)
        rights |= SANDBOX_IOCTL_DEVICE;
    return rights;
}

struct sandbox_rules {
    int fd;
    uint64_t rights; /* all that are governed */
};

static void
sandbox_allow(const struct sandbox_rules *rules, const char *path,
              uint64_t rights)
{
    struct landlock_path_beneath_attr beneath;
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return;
    memset(&beneath, 0, sizeof beneath);
    beneath.parent_fd = fd;
    beneath.allowed_access = rights & rules->rights;
    if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH,
                &beneath, 0) != 0) {
        /* A file takes fewer rights than a folder. */
        beneath.allowed_access &= SANDBOX_READ_FILE;
        syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH,
                &beneath, 0);
    }
    close(fd);
}

/* The folder that `path` lies in, by its text. False if it is too long. */
static bool
sandbox_folder(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;

    if (length >= PATH_MAX)
        return false;
    memcpy(folder, path, length);
    folder[length] = '\0';
    if (length == 0)
        memcpy(folder, ".", 2);
    return true;
}

static void
sandbox_allow_folder_of(const struct sandbox_rules *rules, const char *path,
                        uint64_t rights)
{
    char folder[PATH_MAX];

    if (sandbox_folder(path, folder))
        sandbox_allow(rules, folder, rights);
}

/* The file's folder, since shards lie beside it, and where a link leads. The
 * cache of a model hub keeps the files that its links lead to in `blobs`. */
static void
sandbox_allow_input(const struct sandbox_rules *rules, const char *path)
{
    static const char blobs[] = "/../../blobs";
    char folder[PATH_MAX], real[PATH_MAX];
    size_t length = strlen(path);

    sandbox_allow(rules, path, SANDBOX_READ);
    sandbox_allow_folder_of(rules, path, SANDBOX_READ);
    if (ckpt_is_packed(path))
        sandbox_allow(rules, ckpt_temporary_folder(), SANDBOX_WRITE);
    if (realpath(path, real) == NULL)
        return;
    sandbox_allow_folder_of(rules, real, SANDBOX_READ);
    if (sandbox_folder(path, folder) &&
        strlen(folder) + sizeof blobs <= sizeof folder) {
        memcpy(folder + strlen(folder), blobs, sizeof blobs);
        sandbox_allow(rules, folder, SANDBOX_READ);
    }
    if (length + sizeof blobs <= sizeof folder) {
        memcpy(folder, path, length);
        memcpy(folder + length, blobs, sizeof blobs);
        sandbox_allow(rules, folder, SANDBOX_READ);
    }
}

static void
sandbox_allow_output(const struct sandbox_rules *rules, const char *path)
{
    char real[PATH_MAX];

    sandbox_allow_folder_of(rules, path, SANDBOX_WRITE);
    if (realpath(path, real) != NULL)
        sandbox_allow_folder_of(rules, real, SANDBOX_WRITE);
}

/* A list of folders divided by colons. */
static void
sandbox_allow_list(const struct sandbox_rules *rules, const char *folders)
{
    char folder[PATH_MAX];
    size_t length;

    for (; folders != NULL && *folders != '\0'; folders += length) {
        folders += *folders == ':';
        length = strcspn(folders, ":");
        if (length == 0 || length >= sizeof folder)
            continue;
        memcpy(folder, folders, length);
        folder[length] = '\0';
        sandbox_allow(rules, folder, SANDBOX_READ);
    }
}

/* Plugins are loaded when a file asks for them, with their libraries. */
static void
sandbox_allow_code(const struct sandbox_rules *rules, const struct ckpt *user)
{
    static const char *const system[] = {"/usr",
                                         "/lib",
                                         "/lib64",
                                         "/nix/store",
                                         "/gnu/store",
                                         "/etc/ld.so.cache",
                                         "/dev/null",
                                         "/dev/urandom",
                                         "/etc/ssl/openssl.cnf",
                                         "/sys/devices/system/cpu"};
    const struct ckpt_plugin_info *plugin;
    char before[PATH_MAX] = "", folder[PATH_MAX];
    size_t i;

    for (i = 0; i < sizeof system / sizeof system[0]; i++)
        sandbox_allow(rules, system[i], SANDBOX_READ);
    if (SANDBOX_UNDER_SANITIZER)
        sandbox_allow(rules, "/proc", SANDBOX_READ);
    sandbox_allow_list(rules, getenv("LD_LIBRARY_PATH"));
    for (i = 0; (plugin = ckpt_plugin_at(user, i)) != NULL; i++) {
        if (plugin->path == NULL || !sandbox_folder(plugin->path, folder) ||
            strcmp(folder, before) == 0)
            continue;
        sandbox_allow(rules, folder, SANDBOX_READ);
        memcpy(before, folder, sizeof before);
    }
}

static int
sandbox_landlock(const struct cli_sandbox *sandbox, const struct ckpt *user,
                 const char *const *inputs, size_t input_count,
                 const char *output)
{
    struct landlock_ruleset_attr governed;
    struct sandbox_rules rules;
    int abi, status;
    size_t i;

    abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
                       LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return 0;
    memset(&governed, 0, sizeof governed);
    governed.handled_access_fs = rules.rights = sandbox_rights(abi);
    rules.fd = (int)syscall(SYS_landlock_create_ruleset, &governed,
                            sizeof governed, 0);
    if (rules.fd < 0)
        return 0;
    sandbox_allow_code(&rules, user);
    for (i = 0; i < input_count; i++)
        sandbox_allow_input(&rules, inputs[i]);
    if (output != NULL)
        sandbox_allow_output(&rules, output);
    if (sandbox->transforms)
        sandbox_allow(&rules, ckpt_temporary_folder(), SANDBOX_WRITE);
    status = (int)syscall(SYS_landlock_restrict_self, rules.fd, 0);
    close(rules.fd);
    return status == 0 ? abi : 0;
}

/* What is typed into the terminal would be run by the shell that is behind us.
 * The kernel looks at the low half of a request alone. */
static bool
sandbox_shut_typing(scmp_filter_ctx filter)
{
    static const unsigned shut[] = {TIOCSTI, TIOCLINUX};
    size_t i;

    for (i = 0; i < sizeof shut / sizeof shut[0]; i++)
        if (seccomp_rule_add(
                filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, shut[i])) != 0)
            return false;
    return true;
}

static bool
sandbox_seccomp(void)
{
    static const int shut[] = {
        SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(socket),
        SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind),
        SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
        SCMP_SYS(pidfd_getfd), SCMP_SYS(mount), SCMP_SYS(umount2),
        SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns),
        SCMP_SYS(unshare), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
        SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key),
        SCMP_SYS(request_key), SCMP_SYS(open_by_handle_at),
        /* These would reach sockets and files past the filter. */
        SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
        SCMP_SYS(io_uring_register)};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool done = filter != NULL;
    size_t i;

    /* No foreign code runs here: the costly guard against its guesses is not
     * needed. Kernels that do not know the attribute do without. */
    if (done)
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    for (i = 0; done && i < sizeof shut / sizeof shut[0]; i++) {
        if (SANDBOX_UNDER_SANITIZER && shut[i] == SCMP_SYS(ptrace))
            continue;
        done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), shut[i], 0) == 0;
    }
    done = done && sandbox_shut_typing(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return done;
}

void
cli_sandbox_enter(struct cli_sandbox *sandbox, const struct ckpt *user,
                  const char *const *inputs, size_t input_count,
                  const char *output)
{
    if (sandbox->refused || prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
        return;
    sandbox->landlock_abi =
        sandbox_landlock(sandbox, user, inputs, input_count, output);
    sandbox->seccomp = sandbox_seccomp();
}

void
cli_sandbox_describe(const struct cli_sandbox *sandbox, struct cli_out *out)
{
    if (sandbox->landlock_abi > 0) {
        cli_out_string(out, "Landlock ABI ");
        cli_out_u64(out, (uint64_t)sandbox->landlock_abi);
    }
    if (sandbox->landlock_abi > 0 && sandbox->seccomp)
        cli_out_string(out, ", ");
    if (sandbox->seccomp)
        cli_out_string(out, "seccomp");
    if (sandbox->landlock_abi == 0 && !sandbox->seccomp)
        cli_out_string(out, sandbox->refused ? "none (--no-sandbox)"
                                             : "none (not in this kernel)");
}
