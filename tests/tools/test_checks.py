"""Each check of tools/check.d finds the violation that it is there for, and lets the rest be."""
import os
import sys
import tempfile
import textwrap
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "check.d"))
import coroutines
import layers
import shape
import standalone
import tree
import words

TABLE = """
layer include/cluster : -
layer src/base        : include/cluster
layer src/replog      : include/cluster src/base schema
layer src/net         : include/cluster src/base
layer tests           : include/cluster src/* tests
header asio.hpp asio/* : src/net/asio.hpp
header lmdb.h          : src/*/lmdb_*.cpp
header schema/*.capnp.h : src/*/codec.cpp
header thread          : src/net/*
"""


class Tree(unittest.TestCase):
    """A tree of files in a folder of its own, which is no git repository."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.put("tools/layers.txt", TABLE)

    def put(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def expect(self, found, *fragments):
        self.assertEqual(len(found), len(fragments), found)
        for problem, fragment in zip(found, fragments):
            self.assertIn(fragment, problem)


class Layers(Tree):
    def test_an_include_that_points_down_or_stays_is_fine(self):
        self.put("include/cluster/log.hpp", "#include <vector>\n")
        self.put("src/base/check.hpp", '#include "cluster/log.hpp"\n')
        self.put("src/replog/core.cpp", '#include "base/check.hpp"\n#include "replog/core.hpp"\n')
        self.put("src/replog/core.hpp", "#include <cstdint>\n")
        self.expect(layers.check(self.root))

    def test_an_include_that_points_up_is_found_with_its_line(self):
        self.put("src/replog/core.hpp", "\n")
        self.put("src/base/check.hpp", '\n#include "replog/core.hpp"\n')
        self.expect(layers.check(self.root), "src/base/check.hpp:2: src/base may not include src/replog")

    def test_an_include_that_points_sideways_is_found(self):
        self.put("src/net/host.hpp", "\n")
        self.put("src/replog/core.cpp", '#include "net/host.hpp"\n')
        self.expect(layers.check(self.root), "src/replog may not include src/net")

    def test_a_public_header_includes_nothing_of_third_parties(self):
        self.put("include/cluster/log.hpp", "#include <asio.hpp>\n#include <fmt/format.h>\n")
        self.expect(layers.check(self.root), "<asio.hpp> belongs in src/net/asio.hpp only",
                    "fmt/format.h is neither ours")

    def test_a_third_party_header_stays_in_the_files_that_the_table_names(self):
        self.put("src/replog/lmdb_store.cpp", "#include <lmdb.h>\n")
        self.put("src/replog/core.cpp", "#include <lmdb.h>\n")
        self.put("src/replog/codec.cpp", '#include "schema/log.capnp.h"\n')
        self.put("src/replog/driver.cpp", '#include "schema/log.capnp.h"\n')
        self.expect(layers.check(self.root), "src/replog/core.cpp:1", "src/replog/driver.cpp:1")

    def test_a_core_has_no_threads(self):
        self.put("src/replog/core.cpp", "#include <thread>\n")
        self.expect(layers.check(self.root), "<thread> belongs in src/net/* only")

    def test_a_file_in_no_layer_is_found(self):
        self.put("src/new/thing.cpp", "\n")
        self.expect(layers.check(self.root), "src/new/thing.cpp:1: no layer")


class Shape(Tree):
    def test_a_header_without_pragma_once_is_found_even_when_a_comment_names_it(self):
        self.put("src/base/a.hpp", "// #pragma once\n")
        self.put("src/base/b.hpp", "// Words.\n#pragma once\n")
        self.expect(shape.check(self.root), "src/base/a.hpp:1")

    def test_a_source_file_includes_its_own_header_first(self):
        self.put("src/base/a.hpp", "#pragma once\n")
        self.put("src/base/a.cpp", '#include <string>\n\n#include "base/a.hpp"\n')
        self.expect(shape.check(self.root), "src/base/a.cpp:1: its own header src/base/a.hpp")

    def test_the_own_header_may_be_a_public_one(self):
        self.put("include/cluster/log.hpp", "#pragma once\n")
        self.put("src/replog/log.cpp", '#include "cluster/log.hpp"\n\n#include <string>\n')
        self.expect(shape.check(self.root))


class Coroutines(unittest.TestCase):
    def hazards(self, text):
        return [what for _, what in coroutines.hazards_of(tree.code_only(textwrap.dedent(text)))]

    def test_one_plain_await_per_statement_is_fine(self):
        self.assertEqual([], self.hazards("""
            asio::awaitable<void> run() {
              auto [failure, size] = co_await socket.read(buffer, token);
              if (failure) { co_return; }
              while (co_await next()) {
                values[0] = size;
              }
              for (auto& x : xs) co_await send(x);
              co_await stop();
            }"""))

    def test_a_lambda_that_is_spawned_may_await(self):
        self.assertEqual([], self.hazards("""
            co_spawn(context, [self]() -> asio::awaitable<void> {
              co_await self->run();
            }, detached);"""))

    def test_two_awaits_in_one_statement_are_found(self):
        found = self.hazards("int x = co_await a() + co_await b();")
        self.assertEqual(["more than one co_await in one statement"], found)

    def test_a_braced_temporary_is_found(self):
        found = self.hazards('f(); co_await call(Request{.name = "x"});')
        self.assertEqual(1, len(found))
        self.assertIn("`{`", found[0])

    def test_a_braced_temporary_around_the_await_is_found(self):
        self.assertIn("`{`", self.hazards("void f() { auto x = Pair{co_await first(), 2}; }")[0])

    def test_a_lambda_inside_the_statement_is_found(self):
        found = self.hazards("void f() { co_await with([p = std::move(x)] { use(p); }); }")
        self.assertTrue(any("`[`" in what for what in found), found)

    def test_a_hazard_in_the_condition_of_an_if_is_found(self):
        self.assertIn("`{`", self.hazards("void f() { if (co_await g(A{1})) { h(); } }")[0])

    def test_an_await_in_a_catch_is_found(self):
        found = self.hazards("try { f(); } catch (const E& e) { if (x) { co_await g(); } }")
        self.assertEqual(["co_await in a catch"], found)

    def test_comments_and_strings_are_no_code(self):
        self.assertEqual([], self.hazards('// co_await f({1});\nlog("co_await [x]{}");\n'))


class Words(Tree):
    def test_unfinished_work_is_found(self):
        self.put("src/base/a.cpp", "// TO" "DO: later\n")
        self.expect(words.check(self.root), "src/base/a.cpp:1: unfinished")

    def test_a_sleep_in_a_test_is_found_and_a_polling_pause_is_not(self):
        self.put("tests/unit/a.cpp", """\
            std::this_thread::sleep_for(1s);
            run("sleep(5)");







            // Polls until the deadline.
            std::this_thread::sleep_for(5ms);
            """)
        self.put("src/net/b.cpp", "std::this_thread::sleep_for(1s);\n")
        self.expect(words.check(self.root), "tests/unit/a.cpp:1")

    def test_a_path_of_one_machine_is_found(self):
        self.put("docs/a.md", "See /ro" "ot/notes and /tmp/x and /home/you.\n")
        self.expect(words.check(self.root), "docs/a.md:1: a path of one machine")


class Standalone(Tree):
    def test_a_header_that_leans_on_its_includer_is_found(self):
        self.put("src/base/good.hpp", "#pragma once\n#include <string>\ninline std::string g() { return {}; }\n")
        self.put("src/base/bad.hpp", "#pragma once\ninline std::string b() { return {}; }\n")
        found = standalone.check(self.root, os.path.join(self.root, "build", "check"))
        self.expect(found, "src/base/bad.hpp:1: does not compile alone")


if __name__ == "__main__":
    unittest.main()
