"""Installs into a folder of its own; an outside project finds the package, builds and runs.

Usage: test_install.py BUILD SOURCE CXX
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE, CXX = sys.argv[1:4]
HERE = os.path.dirname(os.path.abspath(__file__))
THIRD_PARTY = re.compile(r"\b(asio|kj|capnp|fmt|nlohmann|CLI|toml)::|\bMDB_|\bSSL_|\bEVP_")
# What an embedder calls: a type of include/cluster, or a function right in the namespace.
OURS = re.compile(r"^cluster::([A-Z]\w*(::|$)|[a-z_]\w*[(<])")


def name_of(symbol):
    """The symbol from its own name on: without "vtable for ", and without a template's result."""
    depth, start = 0, 0
    for at, c in enumerate(symbol):
        if c in "<":
            depth += 1
        elif c == ">":
            depth -= 1
        elif c == "(" and depth == 0:
            break
        elif c == " " and depth == 0:
            start = at + 1
    return symbol[start:]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="cluster_install_")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.prefix = os.path.join(folder.name, "prefix")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def installed(self, ending):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(self.prefix)
                      for name in names if os.path.join(folder, name).endswith(ending))

    def test_an_outside_project_builds_and_runs_on_the_installed_package(self):
        build = self.path("outside")
        run("cmake", "-S", os.path.join(HERE, "outside"), "-B", build, "-G", "Ninja",
            "-DCMAKE_CXX_COMPILER=" + CXX, "-DCMAKE_PREFIX_PATH=" + self.prefix)
        run("cmake", "--build", build)
        self.assertEqual("one two three \n", run(os.path.join(build, "append"), self.path("log")))
        self.assertIn("cpus:4", run(os.path.join(build, "place")))
        self.assertEqual("hello on 3 nodes\n", run(os.path.join(build, "simulate")))

    def test_the_installed_program_runs_a_task_with_the_installed_supervisor(self):
        program = os.path.join(self.prefix, "bin", "cluster")
        if not os.path.exists(program):
            self.skipTest("built without the program")
        self.assertTrue(self.installed("libexec/cluster/cluster-supervisor"))
        directory = self.path("state")
        run(program, "up", "--dir", directory, "--masters", "1", "--agents", "1")
        try:
            self.assertIn("hello from inside", run(program, "run", "--dir", directory, "--",
                                                   "echo", "hello from inside"))
        finally:
            run(program, "down", "--dir", directory)

    def test_without_the_language_c_the_package_says_what_is_missing(self):
        project = self.path("cxx_only")
        os.makedirs(project)
        with open(os.path.join(project, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES CXX)\n"
                       "find_package(cluster REQUIRED)\n")
        done = subprocess.run(["cmake", "-S", project, "-B", self.path("cxx_build"), "-G", "Ninja",
                               "-DCMAKE_PREFIX_PATH=" + self.prefix],
                              capture_output=True, text=True, timeout=100, check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("project(NAME LANGUAGES C CXX)", done.stderr)

    def test_installed_headers_include_the_standard_library_and_each_other_only(self):
        headers = self.installed(".hpp")
        self.assertGreater(len(headers), 8)
        for header in headers:
            with open(header, encoding="utf-8") as file:
                for found in re.findall(r'#\s*include\s*[<"]([^>"]+)', file.read()):
                    if "adapters" in header and found.startswith("asio"):
                        continue  # Compiled by whoever has Asio and includes it.
                    self.assertTrue(found.startswith("cluster/") or re.fullmatch(r"[a-z_0-9]+", found),
                                    f"{header} includes {found}")

    def test_no_public_symbol_names_a_third_party_type(self):
        libraries = self.installed(".a")
        self.assertGreater(len(libraries), 8)
        seen = 0
        for library in libraries:
            for line in run("nm", "-C", "--defined-only", "--extern-only", library).splitlines():
                symbol = line[19:]
                if OURS.match(name_of(symbol)):
                    seen += 1
                    self.assertIsNone(THIRD_PARTY.search(symbol), f"{library}: {symbol}")
        self.assertGreater(seen, 100)

    def test_the_package_names_nothing_of_the_tree_that_it_was_built_from(self):
        for file_name in self.installed(".cmake"):
            with open(file_name, encoding="utf-8") as file:
                text = file.read()
            self.assertNotIn(SOURCE + "/", text, file_name)
            self.assertNotIn(BUILD + "/", text, file_name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
