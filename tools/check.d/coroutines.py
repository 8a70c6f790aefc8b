#!/usr/bin/env python3
"""What g++ 12 miscompiles in coroutines: see "Asynchrony" in the style guide.

One `co_await` per statement, no `{` and no `[` inside it (braced temporaries and lambdas there are
freed twice), and none in a `catch`. A structured binding on the left of it is fine.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

AWAIT = re.compile(r"\bco_await\b")
CONTROL = re.compile(r"\b(if|while|for|switch)(\s+constexpr)?\s*$")
# What stands before a `{` that opens a block; before any other, it opens a value.
BLOCK = re.compile(r"([;{}):]|\b(else|do|try|mutable|noexcept|const|override|final))\s*$|^\s*$")


def opens_block(before):
    if BLOCK.search(before):
        return True
    statement = re.split(r"[;{}]", before)[-1]
    return "->" in statement  # A lambda with its return type.


def begin_of(code, at):
    """Where the statement around `at` begins."""
    depth = 0
    for i in range(at - 1, -1, -1):
        c = code[i]
        if c in ")]":
            depth += 1
        elif c in "([":
            depth -= 1
        elif c == ";" and depth <= 0 or c == "}" and depth == 0:
            return i + 1
        elif c == "{" and depth <= 0 and opens_block(code[max(0, i - 400):i]):
            return i + 1
    return 0


def end_of(code, at):
    """Where the statement around `at` ends: its semicolon, or the `)` of its if, while, for."""
    opened = []
    for i in range(begin_of(code, at), len(code)):
        c = code[i]
        if c in "([{":
            opened.append(i)
        elif c in ")]}":
            if not opened:
                return i
            start = opened.pop()
            if i > at and c == ")" and not opened and CONTROL.search(code[:start][-40:]):
                return i
        elif c == ";" and i > at and not any(code[o] in "{" for o in opened if o > at):
            return i
    return len(code)


def hazards_of(code):
    """(offset, what is wrong) for each hazard, in the order of the text."""
    seen_to = -1
    for match in AWAIT.finditer(code):
        if match.start() < seen_to:
            continue
        begin, end = begin_of(code, match.start()), end_of(code, match.start())
        seen_to = end
        statement = code[begin:end]
        if len(AWAIT.findall(statement)) > 1:
            yield match.start(), "more than one co_await in one statement"
        plain = re.sub(r"\bauto\s*&{0,2}\s*\[[^\]]*\]|\[\[[^\]]*\]\]", "", statement)
        if "{" in plain:
            yield match.start(), "a `{` in a co_await statement: name the value on the line before"
        if "[" in plain:
            yield match.start(), "a `[` in a co_await statement: name the lambda or the element before"
    for match in re.finditer(r"\bcatch\s*\(", code):
        body = code.find("{", match.end())
        depth, end = 0, body
        for end in range(body, len(code)):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            if depth == 0:
                break
        inside = AWAIT.search(code, body, end)
        if inside:
            yield inside.start(), "co_await in a catch"


def check(root):
    problems = []
    for path in tree.cpp_files(root):
        text = tree.read(root, path)
        if "co_await" not in text:
            continue
        code = tree.code_only(text)
        problems += [f"{path}:{tree.line_of(code, at)}: {what}" for at, what in hazards_of(code)]
    return problems


if __name__ == "__main__":
    sys.exit(tree.report(check(sys.argv[1])))
