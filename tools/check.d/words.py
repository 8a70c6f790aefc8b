#!/usr/bin/env python3
"""Words that must not be here: unfinished work, sleeps in tests, paths of one machine."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")
MACHINE = re.compile(r"(?<![\w.])/(work/(main|shared)|root/|home/(?!you\b|user\b)\w)")
TEXT = (".cpp", ".hpp", ".h", ".txt", ".cmake", ".py", ".md", ".json", ".toml", ".capnp", ".sh")


def is_text(name):
    return name.endswith(TEXT) or name.startswith(("tools/", ".ci/"))


def check(root):
    problems = []
    for path in tree.files(root):
        if not is_text(path):
            continue
        lines = tree.read(root, path).split("\n")
            # (tests/tools tests this check itself.)
        is_test = (path.startswith("tests/") and not path.startswith("tests/tools/")
                   and path.endswith((".cpp", ".hpp", ".py")))
        code = tree.code_only("\n".join(lines)).split("\n") if path.endswith(tree.CPP) else lines
        for number, line in enumerate(lines, 1):
            place = f"{path}:{number}"
            if UNFINISHED.search(line):
                problems.append(f"{place}: unfinished work has no place on main")
            if MACHINE.search(line):
                problems.append(f"{place}: a path of one machine")
            # The pause of a loop that polls until a deadline is no wait for time to pass; and that
            # something does not happen can only be seen for a while.
            near = " ".join(lines[max(0, number - 8):number])
            if is_test and SLEEP.search(code[number - 1]) and not re.search(r"\b[Pp]oll|would have", near):
                problems.append(f"{place}: a test waits for a condition with a deadline, not for "
                                "time (a comment says `poll` where a loop pauses, `would have` where "
                                "nothing is to happen)")
    return problems


if __name__ == "__main__":
    sys.exit(tree.report(check(sys.argv[1])))
