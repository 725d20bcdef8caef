#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""selftest.py: every gate passes a small clean tree and, for each of its
rules, fails on the same tree with one fault in it."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = "/* SPDX-License-Identifier: MIT\n *\n * A file of a test.\n */\n"
CLEAN = {
    "sdk/include/ckpt/a.h": "#include <stdint.h>\n",
    "sdk/support/b.h": '#include "ckpt/a.h"\n',
    "plugins/formats/tulip/t.c": '#include "b.h"\n#include "own.h"\n'
                                 "#include <zlib.h>\n",
    "plugins/formats/tulip/own.h": "int own;\n",
    "plugins/formats/rose/rose.h": "int rose;\n",
    "hub/include/ckpt.h": '#include "ckpt/a.h"\n'
                          "CKPT_API int ckpt_new(void);\n",
    "hub/core/c.h": "int c;\n",
    "hub/io/i.c": '#include "hub/core/c.h"\n#include <unistd.h>\n'
                  "static const char *const words[] = {\"exit (1)\"};\n"
                  "\nstatic int\nhub_i(void)\n{\n    return 0;\n}\n",
    "hub/cli/m.c": '#include "ckpt.h"\n',
}
LINE = "    x = 1;\n"
NEST = "    if (a) {\n        if (b) {\n            if (c) {\n" \
       + "        }\n    }\n    }\n"


def function(body, above=""):
    return f"\n{above}static int\nhub_f(void)\n{{\n{body}}}\n"


# (gate, file, what is added to it, what the gate must say)
FAULTS = [
    ("includes", "sdk/include/ckpt/a.h", "#include <unistd.h>\n", "unistd"),
    ("includes", "sdk/include/ckpt/a.h", '#include "b.h"\n', "support/b.h"),
    ("includes", "sdk/support/b.h", '#include "hub/core/c.h"\n', "core/c.h"),
    ("includes", "plugins/formats/tulip/t.c", '#include "ckpt.h"\n',
     "include/ckpt.h"),
    ("includes", "plugins/formats/tulip/t.c", '#include "hub/core/c.h"\n',
     "core/c.h"),
    ("includes", "plugins/formats/tulip/t.c",
     '#include "plugins/formats/rose/rose.h"\n', "rose.h"),
    ("includes", "plugins/formats/tulip/t.c", '#include "../rose/rose.h"\n',
     ".."),
    ("includes", "plugins/formats/tulip/t.c", "#include <fcntl.h>\n", "fcntl"),
    ("includes", "plugins/formats/tulip/t.c", "#include <ckpt.h>\n", "<ckpt"),
    ("includes", "plugins/formats/tulip/t.c", '#include "none.h"\n', "none.h"),
    ("includes", "hub/core/c.h", '#include "hub/io/i.c"\n', "io/i.c"),
    ("includes", "hub/io/i.c", '#include "plugins/formats/rose/rose.h"\n',
     "rose.h"),
    ("includes", "hub/cli/m.c", '#include "hub/core/c.h"\n', "core/c.h"),
    ("includes", "hub/cli/m.c", '#include "ckpt/a.h"\n', "ckpt/a.h"),
    ("formats", "hub/io/i.c", "/* as tulip does */\n", "tulip"),
    ("formats", "hub/io/i.c", "/* a Zip file */\n", "Zip"),
    ("formats", "hub/cli/m.c", 'f("x.pth");\n', ".pth"),
    ("calls", "hub/io/i.c", function("    strcpy (a, b);\n"), "strcpy"),
    ("calls", "hub/io/i.c", function('    printf("");\n'), "printf"),
    ("calls", "hub/cli/m.c", function("    exit(1);\n"), "exit"),
    ("calls", "hub/io/i.c", "static int count;\n", "count"),
    ("calls", "hub/io/i.c", "static const char *names[] = {0};\n", "names"),
    ("calls", "hub/io/i.c", function("    static int n = 1;\n"), "static int"),
    ("lengths", "hub/io/i.c", function(LINE * 59), "hub_f has 61 lines"),
    ("lengths", "hub/io/i.c",
     function(LINE * 60 + NEST, "/* long: flat switch */\n"), "is no flat"),
    ("lengths", "hub/io/i.c", "\n" * 600, "a file of"),
    ("lines", "hub/io/i.c", "/*" + " " * 80 + "*/\n", "84 columns"),
    ("lines", "hub/io/i.c", "\tint a;\n", "a tab"),
    ("lines", "hub/io/i.c", "int a; \n", "a blank"),
    ("lines", "hub/io/i.c", "int a;", "one line end"),
    ("lines", "hub/CMakeLists.txt", "project(x)\n", "SPDX"),
    ("lines", "hub/cli/tool", "#!/bin/sh\n", "SPDX"),
    ("lines", "hub/io/j.c", "/* SPDX-License-Identifier: MIT */\n",
     "no paragraph"),
    ("names", "hub/io/i.c", "int _hidden;\n", "_hidden"),
    ("names", "hub/io/i.c", "typedef int hub_t;\n", "ends in _t"),
    ("names", "hub/io/i.c", "typedef struct a hub;\n", "written out"),
    ("names", "hub/io/i.c", "static int\nckpt_own(void)\n{\n}\n", "ckpt_own"),
]
HOLDS = [
    ("lengths", "hub/io/i.c", function(LINE * 58)),
    ("lengths", "hub/io/i.c",
     function(LINE * 70, "/* long: flat switch */\n")),
    ("calls", "hub/io/i.c", "/* strcpy(a, b) */\n"),
    ("includes", "hub/io/i.c", '/* #include "none.h" */\n'),
    ("formats", "hub/io/i.c", "int zipper, tulips;\n"),
]


def plant(root, path, text):
    """A clean tree with the text added to one of its files."""
    for name, content in CLEAN.items():
        os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
        with open(os.path.join(root, name), "w") as file:
            file.write(TOP + content)
    if path:
        with open(os.path.join(root, path), "a") as file:
            file.write(text)


def run(gate, *arguments):
    return subprocess.run([sys.executable, f"{HERE}/{gate}.py", *arguments],
                          capture_output=True, text=True)


def check(gate, path, text, wanted):
    with tempfile.TemporaryDirectory() as root:
        plant(root, path, text)
        done = run(gate, root)
    good = done.returncode == (1 if wanted else 0) and not done.stderr
    if wanted:
        good = good and wanted in done.stdout and "; 1 faults" in done.stdout
    if not good:
        print(f"{gate} on {path}: {text!r}: expected {wanted or 'no fault'}, "
              f"got {done.stdout}{done.stderr}")
    return good


def build(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-", "-o", path],
                   input=text, text=True, check=True)
    return path


def check_objects():
    """The rules about what is exported, on objects built for it."""
    with tempfile.TemporaryDirectory() as root:
        plant(root, None, "")
        good = build(root, "good.so", "int ckpt_new(void) {return 0;}")
        more = build(root, "more.so",
                     "int ckpt_new(void) {return 0;} int ckpt_x;")
        less = build(root, "less.so", "int ckpt_old;")
        plugin = build(root, "plugin.so", "const int ckpt_plugin = 1;")
        loud = build(root, "loud.so", "int ckpt_plugin; int helper;")
        later = build(root, "later/plugin.so", "const int ckpt_later = 1;")
        entry = build(root, "later/entry.so", "const int ckpt_plugin = 1;")
        wanted = [([good, plugin], 0), ([more, plugin], 1),
                  ([less, plugin], 1), ([good, plugin, loud], 1),
                  ([good, plugin, later], 0), ([good, entry], 1)]
        return [run("names", root, *objects).returncode == status
                for objects, status in wanted]


def check_layout():
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if program is None:
        print("SKIPPED: the gate of layout, for want of clang-format")
        return []
    results = []
    for text, status in (("int a;\n", 0), ("int  a;\n", 1)):
        with tempfile.TemporaryDirectory() as root:
            shutil.copy(f"{HERE}/../../.clang-format", root)
            plant(root, "hub/cli/m.c", text)
            results.append(run("layout", root, program).returncode == status)
    return results


def main():
    gates = sorted({fault[0] for fault in FAULTS})
    results = [check(gate, None, "", None) for gate in gates]
    results += [check(*fault) for fault in FAULTS]
    results += [check(*holds, None) for holds in HOLDS]
    results += check_objects()
    results += check_layout()
    print(f"{len(results)} trees, {results.count(False)} judged wrongly")
    return 1 if False in results else 0


if __name__ == "__main__":
    sys.exit(main())
