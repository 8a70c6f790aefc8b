"""Builds libcluster.so from the tree that this lies in and puts it into the package, so that an
installed package needs nothing beside it. With CLUSTER_LIBRARY=PATH that library is taken instead."""
import os
import pathlib
import shutil
import subprocess

from setuptools import setup
from setuptools.command.build_py import build_py

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent


def library(scratch: pathlib.Path) -> pathlib.Path:
    given = os.environ.get("CLUSTER_LIBRARY")
    if given:
        return pathlib.Path(given)
    if not (root / "include" / "cluster" / "c.h").exists():
        raise SystemExit("the C++ sources are not beside this package; name a built library with "
                         "CLUSTER_LIBRARY=.../libcluster.so.1")
    subprocess.run(["cmake", "-S", root, "-B", scratch, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    "-DCLUSTER_BINDINGS=ON", "-DCLUSTER_APPS=OFF", "-DCLUSTER_TESTS=OFF",
                    "-DCLUSTER_BENCH=OFF", "-DCLUSTER_EXAMPLES=OFF"], check=True)
    subprocess.run(["cmake", "--build", scratch, "--target", "cluster_c"], check=True)
    return scratch / "bindings" / "c" / "libcluster.so.1"


class WithLibrary(build_py):
    def run(self) -> None:
        super().run()
        folder = pathlib.Path(self.build_lib) / "cluster"
        folder.mkdir(parents=True, exist_ok=True)
        scratch = pathlib.Path(self.get_finalized_command("build").build_temp).resolve() / "native"
        shutil.copy(library(scratch), folder / "libcluster.so.1")


setup(cmdclass={"build_py": WithLibrary}, cffi_modules=["native_build.py:ffi"],
      options={"bdist_wheel": {"py_limited_api": "cp311"}})
