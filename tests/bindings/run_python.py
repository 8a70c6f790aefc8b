"""The Python package's own tests, on the library of this build: the package is put together in the
build folder, as installing it would, checked by mypy where there is one, and tried by pytest."""
import os
import pathlib
import shutil
import subprocess
import sys

source, scratch, library, *pytest_arguments = sys.argv[1:]
package = pathlib.Path(source) / "bindings" / "python"
staged = pathlib.Path(scratch).resolve() / "python"
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

shutil.rmtree(staged, ignore_errors=True)
shutil.copytree(package, staged, ignore=shutil.ignore_patterns("__pycache__"))
environment = {**os.environ, "CLUSTER_LIBRARY": os.path.abspath(library), "PYTHONPATH": str(staged),
               "CLUSTER_HEADER": str(pathlib.Path(source).resolve() / "include" / "cluster" / "c.h")}
subprocess.run([sys.executable, "native_build.py"], cwd=staged, env=environment, check=True)
if subprocess.run([sys.executable, "-m", "mypy", "--version"], capture_output=True).returncode == 0:
    subprocess.run([sys.executable, "-m", "mypy", "--cache-dir=/dev/null"], cwd=staged,
                   env=environment, check=True)
subprocess.run([sys.executable, "-m", "cluster.demo"], cwd=staged, env=environment, check=True)
sys.exit(subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
                         *pytest_arguments], cwd=staged, env=environment).returncode)
