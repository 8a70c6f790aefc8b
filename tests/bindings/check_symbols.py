"""The shared library shows what the header declares, under the versions that the map gives, and
nothing else: not a symbol of ours, of the C++ library, or of what we are built from."""
import re
import subprocess
import sys

header, version_map, library = sys.argv[1:]
declared = set(re.findall(r"CLUSTER_API[^;(]*?(cluster_\w+)\(", open(header).read()))
mapped = set(re.findall(r"^ *(cluster_\w+);", open(version_map).read(), re.M))
shown = {}
for line in subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines():
    name, _, version = line.split()[-1].partition("@@")
    if not name.startswith("CLUSTER_"):  # The versions themselves.
        shown[name] = version

problems = [f"{name} is declared and not in the map" for name in sorted(declared - mapped)]
problems += [f"{name} is in the map and not declared" for name in sorted(mapped - declared)]
problems += [f"{name} is declared and the library does not have it"
             for name in sorted(declared - set(shown))]
problems += [f"{name} is shown by the library and not declared"
             for name in sorted(set(shown) - declared)]
problems += [f"{name} has no version" for name, version in sorted(shown.items())
             if not version.startswith("CLUSTER_")]
print("\n".join(problems) or f"{len(shown)} functions")
sys.exit(1 if problems else 0)
