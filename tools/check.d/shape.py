#!/usr/bin/env python3
"""`#pragma once` in every header; a source file includes its own header first."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layers
import tree


def own_header(root, path):
    """What `x.cpp` implements: x.hpp beside it, else <cluster/x.hpp>. Tests implement nothing."""
    stem = path[:-len(".cpp")]
    if os.path.isfile(os.path.join(root, stem + ".hpp")):
        return stem + ".hpp"
    public = "include/cluster/" + os.path.basename(stem) + ".hpp"
    if path.startswith("src/") and os.path.isfile(os.path.join(root, public)):
        return public
    return None


def check(root):
    problems = []
    for path in tree.cpp_files(root):
        text = tree.read(root, path)
        if not path.endswith(".cpp"):
            if "#pragma once" not in tree.code_only(text):
                problems.append(f"{path}:1: a header has #pragma once")
            continue
        own = own_header(root, path)
        first = layers.INCLUDE.search(text)
        if own and (not first or layers.resolve(root, path, first.group(2)) != own):
            line = tree.line_of(text, first.start()) if first else 1
            problems.append(f"{path}:{line}: its own header {own} comes first")
    return problems


if __name__ == "__main__":
    sys.exit(tree.report(check(sys.argv[1])))
