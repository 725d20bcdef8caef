/* SPDX-License-Identifier: MIT
 *
 * The names that do harm. A module stands for all that is in it and below
 * it; a name for itself. Facts, from what has been used against loaders of
 * pickles and from what other scanners know.
 */
#include "pickle_scan_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torch_safe.h"

#define PATH_BYTES 8200 /* both are 4096 at most */
#define PARTS_MAX 8

#define PROGRAMS "runs programs"
#define CODE "runs code that it is given"
#define FILES "reads or writes files"
#define NETWORK "reaches the network"
#define LOADS "loads pickles or models that are not looked at here"
#define REACHES "reaches any attribute or function"
#define IMPORTS "imports modules by name"
#define NATIVE "runs native code or reaches raw memory"
#define PROCESS "steers the process, its threads or its interpreter"
#define SCANNERS "reaches into a scanner of pickles"

struct known {
    const char *name, *why;
};

/* Modules of one word, in the order of their bytes: also when they are reached
 * as an attribute of another module. So are methods that harm by whatever
 * class they are reached. */
static const struct known modules[] = {
    {"IPython", CODE},
    {"SocketServer", NETWORK},
    {"_aix_support", PROGRAMS},
    {"_asyncio", NETWORK},
    {"_cffi_backend", NATIVE},
    {"_ctypes", NATIVE},
    {"_frozen_importlib", IMPORTS},
    {"_frozen_importlib_external", IMPORTS},
    {"_functools", REACHES},
    {"_imp", IMPORTS},
    {"_operator", REACHES},
    {"_osx_support", PROGRAMS},
    {"_pickle", LOADS},
    {"_posixsubprocess", PROGRAMS},
    {"_pyrepl", PROGRAMS},
    {"_signal", PROCESS},
    {"_socket", NETWORK},
    {"_sqlite3", FILES},
    {"_ssl", NETWORK},
    {"_thread", PROCESS},
    {"_winapi", PROGRAMS},
    {"_write_file", FILES},
    {"aiohttp", NETWORK},
    {"asyncio", NETWORK},
    {"atexit", PROCESS},
    {"bdb", CODE},
    {"cPickle", LOADS},
    {"cProfile", CODE},
    {"cffi", NATIVE},
    {"cloudpickle", LOADS},
    {"code", CODE},
    {"codeop", CODE},
    {"commands", PROGRAMS},
    {"compile", CODE},
    {"compileall", CODE},
    {"concurrent", PROGRAMS},
    {"ctypes", NATIVE},
    {"dbm", FILES},
    {"difflib", FILES},
    {"dill", LOADS},
    {"distutils", PROGRAMS},
    {"doctest", CODE},
    {"ensurepip", PROGRAMS},
    {"eval", CODE},
    {"exec", CODE},
    {"execfile", CODE},
    {"faulthandler", PROCESS},
    {"fickling", SCANNERS},
    {"filecmp", FILES},
    {"fileinput", FILES},
    {"from_file", FILES},
    {"fromfile", FILES},
    {"ftplib", NETWORK},
    {"functools", REACHES},
    {"gc", REACHES},
    {"glob", FILES},
    {"http", NETWORK},
    {"httplib", NETWORK},
    {"httpx", NETWORK},
    {"idlelib", CODE},
    {"imaplib", NETWORK},
    {"imp", IMPORTS},
    {"importlib", IMPORTS},
    {"inspect", REACHES},
    {"joblib", LOADS},
    {"lib2to3", CODE},
    {"linecache", FILES},
    {"logging", FILES},
    {"marshal", CODE},
    {"mmap", NATIVE},
    {"model_unpickler", SCANNERS},
    {"modelaudit", SCANNERS},
    {"modelscan", SCANNERS},
    {"multiprocessing", PROGRAMS},
    {"nntplib", NETWORK},
    {"nt", PROGRAMS},
    {"ntpath", FILES},
    {"numexpr", CODE},
    {"operator", REACHES},
    {"os", PROGRAMS},
    {"paramiko", NETWORK},
    {"pdb", CODE},
    {"pexpect", PROGRAMS},
    {"pickle", LOADS},
    {"picklescan", SCANNERS},
    {"pip", PROGRAMS},
    {"pkg_resources", IMPORTS},
    {"pkgutil", IMPORTS},
    {"platform", PROGRAMS},
    {"popen2", PROGRAMS},
    {"poplib", NETWORK},
    {"posix", PROGRAMS},
    {"posixpath", FILES},
    {"profile", CODE},
    {"pty", PROGRAMS},
    {"py_compile", CODE},
    {"pydoc", CODE},
    {"requests", NETWORK},
    {"resource", PROCESS},
    {"runpy", CODE},
    {"saferpickle", SCANNERS},
    {"select", NETWORK},
    {"selectors", NETWORK},
    {"setuptools", PROGRAMS},
    {"shelve", LOADS},
    {"shutil", FILES},
    {"signal", PROCESS},
    {"site", IMPORTS},
    {"smtplib", NETWORK},
    {"socket", NETWORK},
    {"socketserver", NETWORK},
    {"sqlite3", FILES},
    {"ssl", NETWORK},
    {"subprocess", PROGRAMS},
    {"sys", PROCESS},
    {"syslog", FILES},
    {"tarfile", FILES},
    {"telnetlib", NETWORK},
    {"tempfile", FILES},
    {"test", PROGRAMS},
    {"thread", PROCESS},
    {"threading", PROCESS},
    {"timeit", CODE},
    {"tofile", FILES},
    {"trace", CODE},
    {"types", CODE},
    {"unittest", CODE},
    {"unlink", FILES},
    {"urllib", NETWORK},
    {"urllib2", NETWORK},
    {"urllib3", NETWORK},
    {"uuid", PROGRAMS},
    {"venv", PROGRAMS},
    {"webbrowser", NETWORK},
    {"write_bytes", FILES},
    {"write_text", FILES},
    {"xmlrpc", NETWORK},
    {"xmlrpclib", NETWORK},
    {"zipfile", FILES},
    {"zipimport", IMPORTS},
};

/* Modules by their full names, in order. */
static const struct known packages[] = {
    {"numpy.ctypeslib", NATIVE},
    {"numpy.distutils", PROGRAMS},
    {"numpy.f2py", CODE},
    {"numpy.lib._npyio_impl", LOADS},
    {"numpy.lib.format", LOADS},
    {"numpy.lib.npyio", LOADS},
    {"numpy.testing", CODE},
    {"pandas.core.computation", CODE},
    {"pandas.io", LOADS},
    {"sympy.parsing", CODE},
    {"torch._dynamo", CODE},
    {"torch._inductor", CODE},
    {"torch.compile", CODE},
    {"torch.distributed.elastic", PROGRAMS},
    {"torch.distributed.rpc", NETWORK},
    {"torch.fx", CODE},
    {"torch.hub", NETWORK},
    {"torch.jit", CODE},
    {"torch.multiprocessing", PROGRAMS},
    {"torch.package", CODE},
    {"torch.utils._config_module", LOADS},
    {"torch.utils.bottleneck", CODE},
    {"torch.utils.collect_env", PROGRAMS},
    {"torch.utils.cpp_extension", PROGRAMS},
    {"torch.utils.data.datapipes.utils.decoder", LOADS},
    {"torch.utils.model_zoo", NETWORK},
};

/* Whatever else, in order. */
static const struct known names[] = {
    {"_io.FileIO", FILES},
    {"_io.open", FILES},
    {"_io.open_code", FILES},
    {"builtins.__build_class__", CODE},
    {"builtins.__import__", IMPORTS},
    {"builtins.apply", CODE},
    {"builtins.breakpoint", CODE},
    {"builtins.compile", CODE},
    {"builtins.copyright", PROCESS},
    {"builtins.credits", PROCESS},
    {"builtins.delattr", REACHES},
    {"builtins.dir", REACHES},
    {"builtins.eval", CODE},
    {"builtins.exec", CODE},
    {"builtins.execfile", CODE},
    {"builtins.exit", PROCESS},
    {"builtins.file", FILES},
    {"builtins.getattr", REACHES},
    {"builtins.globals", REACHES},
    {"builtins.hasattr", REACHES},
    {"builtins.help", CODE},
    {"builtins.input", CODE},
    {"builtins.license", PROCESS},
    {"builtins.locals", REACHES},
    {"builtins.memoryview", NATIVE},
    {"builtins.open", FILES},
    {"builtins.quit", PROCESS},
    {"builtins.raw_input", PROCESS},
    {"builtins.reduce", CODE},
    {"builtins.reload", IMPORTS},
    {"builtins.setattr", REACHES},
    {"builtins.super", REACHES},
    {"builtins.type", CODE},
    {"builtins.vars", REACHES},
    {"copyreg.add_extension", REACHES},
    {"copyreg.pickle", REACHES},
    {"io.FileIO", FILES},
    {"io.open", FILES},
    {"io.open_code", FILES},
    {"keras.models.load_model", LOADS},
    {"keras.saving.load_model", LOADS},
    {"numpy.genfromtxt", FILES},
    {"numpy.load", LOADS},
    {"numpy.loadtxt", FILES},
    {"numpy.memmap", FILES},
    {"numpy.save", FILES},
    {"numpy.savetxt", FILES},
    {"numpy.savez", FILES},
    {"pandas.eval", CODE},
    {"pandas.read_pickle", LOADS},
    {"torch._classes._Classes.load_library", NATIVE},
    {"torch._ops._Ops.load_library", NATIVE},
    {"torch.classes.load_library", NATIVE},
    {"torch.load", LOADS},
    {"torch.ops.load_library", NATIVE},
    {"torch.save", FILES},
    {"torch.serialization.load", LOADS},
    {"torch.serialization.save", FILES},
    {"torch.storage._load_from_bytes", LOADS},
};

#define CHECKPOINT "torch.distributed.checkpoint."
#define OLD_CHECKPOINT "torch.distributed._shard.checkpoint."
#define SHARDED "torch.distributed._shard.sharded_tensor.metadata."

/* Builders of typed lists, in what TorchScript writes; and the classes of
 * which the description of a distributed checkpoint is made, which torch's own
 * loader loads without a guard. */
static const char *const harmless[] = {
    "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_intlist",
    "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.restore_type_tag",
    "torch.jit._pickle.build_tensor_from_"
    "id",
    CHECKPOINT "_hf_utils._HFStorageInfo",
    CHECKPOINT "filesystem._StorageInfo",
    CHECKPOINT "metadata.BytesStorageMetadata",
    CHECKPOINT "metadata.ChunkStorageMetadata",
    CHECKPOINT "metadata.Metadata",
    CHECKPOINT "metadata.MetadataIndex",
    CHECKPOINT "metadata.StorageMeta",
    CHECKPOINT "metadata.TensorProperties",
    CHECKPOINT "metadata.TensorStorageMetadata",
    CHECKPOINT "metadata._MEM_FORMAT_ENCODING",
    CHECKPOINT "metadata._MEM_FORMAT_ENCODING.TORCH_CHANNELS_LAST",
    CHECKPOINT "metadata._MEM_FORMAT_ENCODING.TORCH_CONTIGUOUS_FORMAT",
    CHECKPOINT "metadata._MEM_FORMAT_ENCODING.TORCH_PRESERVE_FORMAT",
    OLD_CHECKPOINT "filesystem._StorageInfo",
    OLD_CHECKPOINT "metadata.BytesStorageMetadata",
    OLD_CHECKPOINT "metadata.ChunkStorageMetadata",
    OLD_CHECKPOINT "metadata.Metadata",
    OLD_CHECKPOINT "metadata.MetadataIndex",
    OLD_CHECKPOINT "metadata.TensorStorageMetadata",
    SHARDED "MEM_FORMAT_ENCODING",
    SHARDED "MEM_FORMAT_ENCODING.TORCH_CHANNELS_LAST",
    SHARDED "MEM_FORMAT_ENCODING.TORCH_CONTIGUOUS_FORMAT",
    SHARDED "MEM_FORMAT_ENCODING.TORCH_PRESERVE_FORMAT",
    SHARDED "ShardedTensorMetadata",
    SHARDED "TensorProperties",
    "torch.distributed._shard.metadata.ShardMetadata",
};

static const char *const renamed[][2] = {
    {"__builtin__", "builtins"}, {"__builtins__", "builtins"},
    {"copy_reg", "copyreg"},     {"cPickle", "pickle"},
    {"exceptions", "builtins"},
};

/* Builtins of Python 2 that are types under another name. */
static const char *const old_types[] = {"basestring", "buffer", "long",
                                        "unicode", "xrange"};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

bool
pickle_scan_identifier(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    bool first = true;

    for (; *p != '\0'; p++) {
        bool letter = (*p | 32u) - 'a' < 26u || *p == '_' || *p >= 0x80;
        bool digit = *p - 0u - '0' < 10u;

        if (!letter && (first || (!digit && *p != '.')))
            return false;
        first = *p == '.';
    }
    return !first;
}

/* Whether `text` is `name`, or goes on with a point after it. */
static bool
begins(const char *text, const char *name)
{
    size_t length = strlen(name);

    return strncmp(text, name, length) == 0 &&
           (text[length] == '\0' || text[length] == '.');
}

/* Compares "module.name" without joining it. */
static bool
joined(const char *text, const char *module, const char *name)
{
    size_t length = strlen(module);

    return strncmp(text, module, length) == 0 && text[length] == '.' &&
           strcmp(text + length + 1, name) == 0;
}

struct start {
    const char *text;
    size_t length;
};

static int
compare_start(const void *left, const void *right)
{
    const struct start *start = left;
    const char *name = ((const struct known *)right)->name;
    int order = strncmp(start->text, name, start->length);

    return order != 0 ? order : -(name[start->length] != '\0');
}

static const char *
find_start(const char *text, size_t length, const struct known *list,
           size_t count)
{
    struct start start = {text, length};
    const struct known *found =
        bsearch(&start, list, count, sizeof *list, compare_start);

    return found != NULL ? found->why : NULL;
}

/* By the first part of the text. */
static const char *
find_module(const char *text)
{
    return find_start(text, strcspn(text, "."), modules, COUNT_OF(modules));
}

/* By the text, or by what it begins with before one of its first points: no
 * entry has more. */
static const char *
find_path(const char *text, const struct known *list, size_t count)
{
    const char *why = NULL;
    size_t parts, length = 0;

    for (parts = 0; parts < PARTS_MAX && why == NULL; parts++) {
        length += strcspn(text + length, ".");
        why = find_start(text, length, list, count);
        if (text[length++] == '\0')
            break;
    }
    return why;
}

/* What a name reaches on its way from attribute to attribute. */
static const char *
find_on_the_way(const char *name)
{
    const char *part = name, *dot, *why;
    size_t length;

    for (;; part = dot + 1) {
        dot = strchr(part, '.');
        length = dot != NULL ? (size_t)(dot - part) : strlen(part);
        if (length > 4 && memcmp(part, "__", 2) == 0 &&
            memcmp(part + length - 2, "__", 2) == 0)
            return REACHES;
        why = find_module(part);
        if (why == NULL && part[0] == '_')
            why = find_module(part + 1);
        if (why != NULL || dot == NULL)
            return why;
    }
}

/* By the module, by the whole path, and by what lies on the way. */
static const char *
find_harm(const char *module, const char *name)
{
    char path[PATH_BYTES];
    const char *why = find_module(module);

    snprintf(path, sizeof path, "%s.%s", module, name);
    if (why == NULL)
        why = find_path(path, packages, COUNT_OF(packages));
    if (why == NULL)
        why = find_path(path, names, COUNT_OF(names));
    return why != NULL ? why : find_on_the_way(name);
}

static uint32_t
say(uint32_t severity, const char *text, const char **why)
{
    *why = text;
    return severity;
}

uint32_t
pickle_scan_judge(const char *module, const char *name, bool script,
                  const char **why)
{
    const char *harm;
    uint32_t trust;
    size_t i;

    for (i = 0; i < COUNT_OF(old_types); i++)
        if (strcmp(module, "__builtin__") == 0 &&
            strcmp(name, old_types[i]) == 0)
            return say(CKPT_SEVERITY_NOTE, "only holds data", why);
    for (i = 0; i < COUNT_OF(renamed); i++)
        if (strcmp(module, renamed[i][0]) == 0)
            module = renamed[i][1];
    if (script && begins(module, "__torch__"))
        return say(CKPT_SEVERITY_NOTE, "a class of the archive's own code",
                   why);
    trust = sdk_torch_safe(module, name);
    if (trust == SDK_TORCH_ALLOWED)
        return say(CKPT_SEVERITY_NOTE, "torch's guard allows it", why);
    for (i = 0; i < COUNT_OF(harmless); i++)
        if (joined(harmless[i], module, name))
            return say(CKPT_SEVERITY_NOTE, "only holds data", why);
    harm = find_harm(module, name);
    if (trust == SDK_TORCH_HARMLESS && harm == NULL)
        return say(CKPT_SEVERITY_NOTE, "only holds data", why);
    if (trust == SDK_TORCH_HARMLESS)
        return say(CKPT_SEVERITY_SUSPICIOUS, "harmless, but its module is not",
                   why);
    if (harm != NULL)
        return say(CKPT_SEVERITY_DANGEROUS, harm, why);
    if (pickle_scan_is_layer(module, name))
        return say(CKPT_SEVERITY_NOTE, "a layer of torch", why);
    return say(CKPT_SEVERITY_SUSPICIOUS, "torch's guard refuses it", why);
}
