#!/usr/bin/env python3
"""Every header of include/ and src/ compiles alone, and twice over.

Usage: standalone.py ROOT WORK: WORK is a folder for scratch files. With ccache, only what changed
costs time.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

FLAGS = ["-std=c++20", "-O0", "-w"]


def generate_schemas(root, into):
    """The headers that the schemas become."""
    schemas = [s for s in tree.files(root) if s.startswith("schema/") and s.endswith(".capnp")]
    if schemas and shutil.which("capnp"):
        os.makedirs(into, exist_ok=True)
        subprocess.run(["capnp", "compile", "--src-prefix=" + root, "-oc++:" + into] +
                       [os.path.join(root, s) for s in schemas], check=True)


def compile_alone(root, work, header):
    """What the compiler says about `header` on its own; empty when all is well."""
    stub = os.path.join(work, header.replace("/", "_") + ".cpp")
    wanted = f'#include "{os.path.join(root, header)}"\n' * 2
    if not os.path.exists(stub) or open(stub, encoding="utf-8").read() != wanted:
        with open(stub, "w", encoding="utf-8") as file:
            file.write(wanted)
    launcher = ["ccache"] if shutil.which("ccache") else []
    includes = [f"-I{root}/include", f"-I{root}/src", f"-I{root}", "-isystem", f"{work}/generated"]
    done = subprocess.run(launcher + [os.environ.get("CXX", "g++")] + FLAGS + includes + ["-c", stub, "-o", stub + ".o"],
                          capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{header}:1: does not compile alone:\n{done.stderr[:2000]}"


def check(root, work):
    root, work = os.path.abspath(root), os.path.abspath(work)
    os.makedirs(work, exist_ok=True)
    generate_schemas(root, os.path.join(work, "generated"))
    headers = [f for f in tree.cpp_files(root)
               if f.startswith(("include/", "src/")) and not f.endswith(".cpp")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        found = pool.map(lambda header: compile_alone(root, work, header), headers)
        return [problem for problem in found if problem]


if __name__ == "__main__":
    sys.exit(tree.report(check(sys.argv[1], sys.argv[2])))
