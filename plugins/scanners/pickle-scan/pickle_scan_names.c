/* SPDX-License-Identifier: MIT
 *
 * The names that do harm. A module stands for all that is in it and below
 * it; a name for itself. Facts, from what has been used against loaders of
 * pickles and from what other scanners know.
 */
#include "pickle_scan_names.h"

#include <stdio.h>
#include <string.h>

#include "torch_safe.h"

#define PATH_BYTES 8200 /* both are 4096 at most */

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

/* Modules of one word: also when they are reached as an attribute of another
 * module. */
static const struct known modules[] = {
    {"os", PROGRAMS},
    {"posix", PROGRAMS},
    {"nt", PROGRAMS},
    {"posixpath", FILES},
    {"ntpath", FILES},
    {"subprocess", PROGRAMS},
    {"_posixsubprocess", PROGRAMS},
    {"_winapi", PROGRAMS},
    {"commands", PROGRAMS},
    {"popen2", PROGRAMS},
    {"pty", PROGRAMS},
    {"pexpect", PROGRAMS},
    {"multiprocessing", PROGRAMS},
    {"concurrent", PROGRAMS},
    {"platform", PROGRAMS},
    {"uuid", PROGRAMS},
    {"_osx_support", PROGRAMS},
    {"_aix_support", PROGRAMS},
    {"_pyrepl", PROGRAMS},
    {"pip", PROGRAMS},
    {"ensurepip", PROGRAMS},
    {"venv", PROGRAMS},
    {"setuptools", PROGRAMS},
    {"distutils", PROGRAMS},
    {"test", PROGRAMS},
    {"code", CODE},
    {"codeop", CODE},
    {"compile", CODE},
    {"exec", CODE},
    {"eval", CODE},
    {"execfile", CODE},
    {"runpy", CODE},
    {"marshal", CODE},
    {"types", CODE},
    {"doctest", CODE},
    {"unittest", CODE},
    {"timeit", CODE},
    {"cProfile", CODE},
    {"profile", CODE},
    {"pdb", CODE},
    {"bdb", CODE},
    {"trace", CODE},
    {"pydoc", CODE},
    {"idlelib", CODE},
    {"lib2to3", CODE},
    {"compileall", CODE},
    {"py_compile", CODE},
    {"IPython", CODE},
    {"numexpr", CODE},
    {"importlib", IMPORTS},
    {"_frozen_importlib", IMPORTS},
    {"_frozen_importlib_external", IMPORTS},
    {"imp", IMPORTS},
    {"_imp", IMPORTS},
    {"pkgutil", IMPORTS},
    {"pkg_resources", IMPORTS},
    {"zipimport", IMPORTS},
    {"site", IMPORTS},
    {"operator", REACHES},
    {"_operator", REACHES},
    {"functools", REACHES},
    {"_functools", REACHES},
    {"inspect", REACHES},
    {"gc", REACHES},
    {"sys", PROCESS},
    {"signal", PROCESS},
    {"_signal", PROCESS},
    {"threading", PROCESS},
    {"_thread", PROCESS},
    {"thread", PROCESS},
    {"atexit", PROCESS},
    {"faulthandler", PROCESS},
    {"resource", PROCESS},
    {"socket", NETWORK},
    {"_socket", NETWORK},
    {"socketserver", NETWORK},
    {"SocketServer", NETWORK},
    {"ssl", NETWORK},
    {"_ssl", NETWORK},
    {"http", NETWORK},
    {"httplib", NETWORK},
    {"httpx", NETWORK},
    {"urllib", NETWORK},
    {"urllib2", NETWORK},
    {"urllib3", NETWORK},
    {"requests", NETWORK},
    {"aiohttp", NETWORK},
    {"asyncio", NETWORK},
    {"_asyncio", NETWORK},
    {"webbrowser", NETWORK},
    {"smtplib", NETWORK},
    {"imaplib", NETWORK},
    {"ftplib", NETWORK},
    {"poplib", NETWORK},
    {"telnetlib", NETWORK},
    {"nntplib", NETWORK},
    {"xmlrpc", NETWORK},
    {"xmlrpclib", NETWORK},
    {"paramiko", NETWORK},
    {"select", NETWORK},
    {"selectors", NETWORK},
    {"ctypes", NATIVE},
    {"_ctypes", NATIVE},
    {"cffi", NATIVE},
    {"_cffi_backend", NATIVE},
    {"mmap", NATIVE},
    {"pickle", LOADS},
    {"_pickle", LOADS},
    {"cPickle", LOADS},
    {"dill", LOADS},
    {"cloudpickle", LOADS},
    {"joblib", LOADS},
    {"shelve", LOADS},
    {"shutil", FILES},
    {"tempfile", FILES},
    {"filecmp", FILES},
    {"fileinput", FILES},
    {"glob", FILES},
    {"linecache", FILES},
    {"difflib", FILES},
    {"logging", FILES},
    {"syslog", FILES},
    {"tarfile", FILES},
    {"zipfile", FILES},
    {"sqlite3", FILES},
    {"_sqlite3", FILES},
    {"dbm", FILES},
    {"fickling", SCANNERS},
    {"picklescan", SCANNERS},
    {"modelscan", SCANNERS},
    {"model_unpickler", SCANNERS},
    {"saferpickle", SCANNERS},
    {"modelaudit", SCANNERS},
};

/* Modules by their full names. */
static const struct known packages[] = {
    {"numpy.distutils", PROGRAMS},
    {"numpy.f2py", CODE},
    {"numpy.testing", CODE},
    {"numpy.ctypeslib", NATIVE},
    {"numpy.lib.npyio", LOADS},
    {"numpy.lib._npyio_impl", LOADS},
    {"numpy.lib.format", LOADS},
    {"pandas.io", LOADS},
    {"pandas.core.computation", CODE},
    {"sympy.parsing", CODE},
    {"torch.compile", CODE},
    {"torch._dynamo", CODE},
    {"torch._inductor", CODE},
    {"torch.jit", CODE},
    {"torch.fx", CODE},
    {"torch.package", CODE},
    {"torch.hub", NETWORK},
    {"torch.distributed.rpc", NETWORK},
    {"torch.distributed.elastic", PROGRAMS},
    {"torch.multiprocessing", PROGRAMS},
    {"torch.utils._config_module", LOADS},
    {"torch.utils.bottleneck", CODE},
    {"torch.utils.collect_env", PROGRAMS},
    {"torch.utils.cpp_extension", PROGRAMS},
    {"torch.utils.data.datapipes.utils.decoder", LOADS},
    {"torch.utils.model_zoo", NETWORK},
};

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
    {"io.FileIO", FILES},
    {"io.open", FILES},
    {"io.open_code", FILES},
    {"copyreg.add_extension", REACHES},
    {"copyreg.pickle", REACHES},
    {"keras.models.load_model", LOADS},
    {"keras.saving.load_model", LOADS},
    {"numpy.fromfile", FILES},
    {"numpy.genfromtxt", FILES},
    {"numpy.load", LOADS},
    {"numpy.loadtxt", FILES},
    {"numpy.memmap", FILES},
    {"numpy.save", FILES},
    {"numpy.savetxt", FILES},
    {"numpy.savez", FILES},
    {"pandas.eval", CODE},
    {"pandas.read_pickle", LOADS},
    {"pathlib.Path.write_text", FILES},
    {"torch.from_file", FILES},
    {"torch.load", LOADS},
    {"torch.save", FILES},
    {"torch.serialization.load", LOADS},
    {"torch.serialization.save", FILES},
    {"torch.storage._load_from_bytes", LOADS},
    {"torch._ops._Ops.load_library", NATIVE},
    {"torch._classes._Classes.load_library", NATIVE},
    {"torch.ops.load_library", NATIVE},
    {"torch.classes.load_library", NATIVE},
};

/* Builders of typed lists, in what TorchScript writes. */
static const char *const harmless[] = {
    "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_intlist",
    "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.restore_type_tag",
    "torch.jit._pickle.build_tensor_from_"
    "id",
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

static const char *
find_begin(const char *text, const struct known *list, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (begins(text, list[i].name))
            return list[i].why;
    return NULL;
}

/* Compares "module.name" without joining it. */
static bool
joined(const char *text, const char *module, const char *name)
{
    size_t length = strlen(module);

    return strncmp(text, module, length) == 0 && text[length] == '.' &&
           strcmp(text + length + 1, name) == 0;
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
        why = find_begin(part, modules, COUNT_OF(modules));
        if (why == NULL && part[0] == '_')
            why = find_begin(part + 1, modules, COUNT_OF(modules));
        if (why != NULL || dot == NULL)
            return why;
    }
}

/* By the module, by the whole path, and by what lies on the way. */
static const char *
find_harm(const char *module, const char *name)
{
    char path[PATH_BYTES];
    const char *why = find_begin(module, modules, COUNT_OF(modules));

    snprintf(path, sizeof path, "%s.%s", module, name);
    if (why == NULL)
        why = find_begin(path, packages, COUNT_OF(packages));
    if (why == NULL)
        why = find_begin(path, names, COUNT_OF(names));
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
