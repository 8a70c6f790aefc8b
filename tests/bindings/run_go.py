"""The Go package's own tests, on the library of this build: gofmt, go vet, and go test, with the race
detector where this Go has it. Exits with 77 where no Go is installed: skipped."""
import os
import pathlib
import shutil
import subprocess
import sys

source, scratch, library, *test_arguments = sys.argv[1:]
package = pathlib.Path(source).resolve() / "bindings" / "go"
library = pathlib.Path(library).resolve()
known = [*os.environ["PATH"].split(":"), "/usr/local/go/bin", "/usr/lib/go/bin", "/usr/lib/go-1.19/bin"]
go = os.environ.get("CLUSTER_GO") or shutil.which("go", path=":".join(known))
if go is None:
    print("skipped: no Go is installed (Debian's golang-go, or go.dev); bindings/go was not tried")
    sys.exit(77)

# As an installed one says it, of this build.
package_config = pathlib.Path(scratch).resolve() / "pkgconfig"
package_config.mkdir(parents=True, exist_ok=True)
(package_config / "cluster.pc").write_text(f"""Name: cluster
Description: the library of this build
Version: 0
Libs: -L{library.parent} -lcluster -Wl,-rpath,{library.parent}
Cflags: -I{pathlib.Path(source).resolve()}/include
""")
environment = {**os.environ, "PKG_CONFIG_PATH": str(package_config), "CGO_ENABLED": "1",
               "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "-mod=readonly",
               # Its examples' test calls it, too.
               "PATH": os.path.dirname(go) + ":" + os.environ["PATH"]}
environment.setdefault("HOME", str(package_config.parent))  # Of its cache.


def run(*command, **options):
    return subprocess.run(command, cwd=package, env=environment, **options)


def has_race_detector():
    """Debian has it in a package of its own."""
    probe = package_config.parent / "race"
    probe.mkdir(exist_ok=True)
    (probe / "main.go").write_text("package main\n\nfunc main() {}\n")
    return run(go, "build", "-race", "-o", str(probe / "race"), str(probe / "main.go"),
               capture_output=True).returncode == 0


print(run(go, "version", capture_output=True, text=True, check=True).stdout.strip(), flush=True)
formatter = pathlib.Path(go).parent / "gofmt"
ill = run(str(formatter), "-l", ".", capture_output=True, text=True, check=True).stdout
if ill:
    sys.exit(f"gofmt would change:\n{ill}")
run(go, "vet", "./...", check=True)
race = ["-race"] if has_race_detector() else []
if not race:
    print("this Go has no race detector: tried without", flush=True)
sys.exit(run(go, "test", *race, "-count=1", "-timeout=300s", *(test_arguments or ["./..."])).returncode)
