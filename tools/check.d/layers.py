#!/usr/bin/env python3
"""Holds every #include against tools/layers.txt: an include points down, or to its own folder."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)

STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
cinttypes climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp
csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception
execution filesystem forward_list fstream functional future initializer_list iomanip ios iosfwd
iostream istream iterator latch limits list locale map memory memory_resource mutex new numbers
numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex
source_location span sstream stack stdexcept stop_token streambuf string string_view strstream
syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set
utility valarray variant vector version
""".split())


class Table:
    def __init__(self, text):
        self.layers = {}   # folder -> patterns of folders
        self.headers = []  # (patterns of headers, patterns of files)
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0] not in ("layer", "header") or words.count(":") != 1:
                raise SystemExit(f"tools/layers.txt:{number}: neither layer nor header: {line}")
            colon = words.index(":")
            names, allowed = words[1:colon], [w for w in words[colon + 1:] if w != "-"]
            if words[0] == "layer":
                self.layers[names[0]] = allowed
            else:
                self.headers.append((names, allowed))

    def layer_of(self, path):
        inside = [folder for folder in self.layers if path.startswith(folder + "/")]
        return max(inside, key=len, default=None)


def resolve(root, path, header):
    """The file that a quoted include names, from the root; None where the tree has none such."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
    for name in (beside, "include/" + header, "src/" + header, "apps/cluster/" + header, header):
        if os.path.isfile(os.path.join(root, name)):
            return name
    if header.startswith("schema/") and header.endswith(".capnp.h"):
        return header  # Generated.
    return None


def problems_of(root, table, path):
    layer = table.layer_of(path)
    if layer is None:
        yield f"{path}:1: no layer of tools/layers.txt holds this file"
        return
    text = tree.read(root, path)
    for match in INCLUDE.finditer(text):
        place = f"{path}:{tree.line_of(text, match.start())}"
        header = match.group(2)
        rule = next((r for r in table.headers if tree.matches(header, r[0])), None)
        target = None if rule else resolve(root, path, header)
        if rule:
            if not tree.matches(path, rule[1]):
                yield f"{place}: <{header}> belongs in {' '.join(rule[1]) or 'no file'} only"
        elif target:
            to = table.layer_of(target)
            if to != layer and not (to and tree.matches(to, table.layers[layer])):
                yield f"{place}: {layer} may not include {to or target} ({header})"
        elif header not in STANDARD:
            yield f"{place}: {header} is neither ours, nor standard, nor named in tools/layers.txt"


def check(root):
    table = Table(tree.read(root, "tools/layers.txt"))
    return [p for path in tree.cpp_files(root) for p in problems_of(root, table, path)]


if __name__ == "__main__":
    sys.exit(tree.report(check(sys.argv[1])))
