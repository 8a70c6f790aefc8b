"""The tree as the checks see it: its files, and C++ without comments and literals."""
import fnmatch
import os
import re
import subprocess

CPP = (".cpp", ".hpp", ".h")


def files(root):
    """Paths from `root` of what git knows or would take; of everything where git knows nothing."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
    else:
        names = []
        for folder, folders, inside in os.walk(root):
            folders[:] = [f for f in folders if f not in (".git", "build")]
            names += [os.path.relpath(os.path.join(folder, name), root) for name in inside]
    return sorted({name for name in names if os.path.isfile(os.path.join(root, name))})


def cpp_files(root):
    return [name for name in files(root) if name.endswith(CPP)]


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


# Raw strings first: they may hold anything. A digit separator (1'000) opens no character.
_NOISE = re.compile(
    r'R"([^()\\\s]{0,16})\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'", re.DOTALL)


def code_only(text):
    """`text` with comments and literals blanked out, line for line and column for column."""
    def blank(match):
        found = match.group(0)
        kept = re.sub(r"[^\n]", " ", found)
        if found[0] in "\"'R":  # A literal stays a word, so that expressions keep their shape.
            kept = '0' + kept[1:]
        return kept
    return _NOISE.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(problems):
    """Prints what was found; the exit code of a check."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0
