"""Makes the module `cluster._native` from cluster/c.h: what the header declares, for Python.

The library itself is loaded at import: a file of the package, or the system's libcluster.so.1."""
import os
import pathlib
import re

import cffi

here = pathlib.Path(__file__).resolve().parent
header = pathlib.Path(os.environ.get("CLUSTER_HEADER", here.parent.parent / "include/cluster/c.h"))


def declarations(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", "", text, flags=re.M)  # With continued lines.
    text = text.replace('extern "C" {', "").replace("CLUSTER_API ", "")
    return re.sub(r"^\}\s*$", "", text, flags=re.M)


ffi = cffi.FFI()
ffi.cdef(declarations(header.read_text()))
# No source of its own: declarations only, so one file fits every version of Python.
ffi.set_source("cluster._native", None)

if __name__ == "__main__":
    ffi.compile(verbose=True)
