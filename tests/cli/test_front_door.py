#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The wrapper ./ckpt, in a small tree of its own, with stand-ins for cmake
and for the package tools that note how they were called."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]

CMAKE = """
echo "cmake $*" >>"$NOTES"
case $1 in --build) sleep 0.2; test -z "${BROKEN-}" || exit 1
mkdir -p build/release/bin
cat >build/release/bin/ckpt <<'END'
#!/bin/sh
pwd; printf '<%s>' "$@"; exit 3
END
chmod +x build/release/bin/ckpt;; esac
"""
QUERY = """
eval package=\\$$#
grep -qxF "$package" "$HAVE" && printf installed || exit 1
"""
APT = """
echo "apt-get $*" >>"$NOTES"
test -z "${OFFLINE-}" || exit 100
for word; do echo "$word"; done >>"$HAVE"
"""


class FrontDoor(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.top = self.folder / "tree"
        for room in ("cmake", "hub/core"):
            (self.top / room).mkdir(parents=True)
        for name in ("ckpt", "cmake/install-packages",
                     "cmake/packages-build.txt"):
            shutil.copy(TOP / name, self.top / name)
        (self.top / "hub/core/a.c").touch()
        self.notes = self.folder / "notes"
        self.have = self.folder / "have"
        self.notes.touch()
        shutil.copy(TOP / "cmake/packages-build.txt", self.have)
        self.stand_in("cmake", CMAKE)
        self.stand_in("dpkg-query", QUERY)
        self.stand_in("apt-get", APT)
        self.stand_in("sudo", 'test -n "${SUDO-}" || exit 1; shift; "$@"')
        self.user(0)

    def stand_in(self, name, text):
        file = self.folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n" + text)
        file.chmod(0o755)

    def user(self, number):
        self.stand_in("id", f"echo {number}")

    def start(self, *arguments, program=None, cwd="/", **environment):
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return subprocess.Popen(
            [program or self.top / "ckpt", *arguments], cwd=cwd, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": path, "NOTES": str(self.notes),
                 "HAVE": str(self.have), **environment})

    def ckpt(self, *arguments, **keywords):
        process = self.start(*arguments, **keywords)
        out, err = process.communicate()
        return process.returncode, out, err

    def calls(self):
        calls = self.notes.read_text().splitlines()
        self.notes.write_text("")
        return calls

    def age(self):
        """Makes all sources older than the build."""
        for file in self.top.rglob("*"):
            if "build" not in file.parts:
                os.utime(file, (1, 1))

    def test_builds_once_then_is_silent(self):
        self.age()
        status, out, err = self.ckpt("a b", "*", "", cwd=self.folder)
        self.assertEqual((status, out), (3, f"{self.folder}\n<a b><*><>"))
        self.assertEqual(len(err.splitlines()), 1)
        self.assertEqual(self.calls(), ["cmake --preset release",
                                        "cmake --build --preset release"])
        self.assertEqual(self.ckpt(), (3, "/\n<>", ""))
        self.assertEqual(self.calls(), [])

    def test_newer_source_builds_again(self):
        self.age()
        self.ckpt()
        for name in ("hub/core/a.c", "cmake/packages-build.txt"):
            self.calls()
            os.utime(self.top / name, (time.time() + 9, time.time() + 9))
            self.ckpt()
            self.assertEqual(len(self.calls()), 2, name)
            self.age()

    def test_link_and_bare_name(self):
        link = self.folder / "elsewhere"
        link.symlink_to(self.top / "ckpt")
        self.assertEqual(self.ckpt(program=link)[0], 3)
        done = subprocess.run(["sh", "ckpt"], cwd=self.top,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 3)

    def test_two_at_once_build_once(self):
        self.age()
        both = [self.start() for _ in range(2)]
        for process in both:
            process.communicate()
            self.assertEqual(process.returncode, 3)
        self.assertEqual(len(self.calls()), 2)

    def test_broken_build_fails_and_is_tried_again(self):
        status, out, err = self.ckpt(BROKEN="1")
        self.assertEqual((status, out), (5, ""))
        self.assertIn("build.log says why", err)
        self.assertEqual(self.ckpt()[0], 3)

    def test_missing_packages_are_installed_by_root(self):
        self.have.write_text("gcc\n")
        status, _, err = self.ckpt()
        self.assertEqual(status, 3)
        self.assertIn("installing cmake", err)
        calls = self.calls()
        self.assertEqual(calls[0], "apt-get update")
        self.assertIn(" ninja-build", calls[1])
        self.assertNotIn(" gcc", calls[1])

    def test_missing_packages_are_installed_through_sudo(self):
        self.user(1000)
        self.have.write_text("gcc\n")
        self.assertEqual(self.ckpt(SUDO="1")[0], 3)

    def test_missing_packages_are_named_to_others(self):
        self.user(1000)
        self.have.write_text("gcc\n")
        status, _, err = self.ckpt()
        self.assertEqual(status, 5)
        self.assertEqual(self.calls(), [])
        command = err.splitlines()[1].strip().replace("sudo", "env", 1)
        env = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}",
               "NOTES": str(self.notes), "HAVE": str(self.have)}
        subprocess.run(command, shell=True, env=env, check=True)
        self.assertEqual(self.ckpt()[0], 3)

    def test_failed_installation(self):
        self.have.write_text("gcc\n")
        status, _, err = self.ckpt(OFFLINE="1")
        self.assertEqual(status, 5)
        self.assertIn("could not be installed", err)

    def test_no_right_to_build(self):
        (self.top / "build").write_text("in the way\n")
        status, out, err = self.ckpt()
        self.assertEqual((status, out), (5, ""))
        self.assertIn("no right to write", err)


if __name__ == "__main__":
    unittest.main()
