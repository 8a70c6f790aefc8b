"""What the documentation shows is what is there."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def pages():
    names = ["README.md", "CHANGELOG.md"]
    for folder, _, inside in os.walk(os.path.join(ROOT, "docs")):
        names += [os.path.relpath(os.path.join(folder, n), ROOT) for n in inside if n.endswith(".md")]
    return sorted(names)


class Docs(unittest.TestCase):
    def test_the_example_in_the_readme_is_the_file_that_the_tests_run(self):
        code = re.findall(r"```cpp\n(.*?)```", read("README.md"), re.DOTALL)
        self.assertEqual([read("examples/hello_log.cpp")], code)

    def test_the_coroutine_that_the_log_page_shows_is_the_example_that_the_tests_run(self):
        shown = [code for code in re.findall(r"```cpp\n(.*?)```", read("docs/log.md"), re.DOTALL)
                 if "co_return" in code]
        self.assertEqual(1, len(shown))
        self.assertIn(shown[0], read("examples/calls.cpp"))

    def test_the_simulation_that_the_testing_page_shows_is_the_example_that_the_tests_run(self):
        shown = [code for code in re.findall(r"```cpp\n(.*?)```", read("docs/testing.md"), re.DOTALL)
                 if "LocalCluster" not in code]
        self.assertEqual(2, len(shown))
        for code in shown:
            self.assertIn(code, read("examples/simulated_bank.cpp"))

    def test_links_between_pages_lead_somewhere(self):
        for page in pages():
            for target in re.findall(r"\]\(([^)#:]+)\)", read(page)):
                path = os.path.normpath(os.path.join(ROOT, os.path.dirname(page), target))
                self.assertTrue(os.path.exists(path), f"{page} links to {target}")

    def test_every_decision_is_in_the_list_of_decisions(self):
        listed = set(re.findall(r"\]\((\d{4}-[^)]+)\)", read("docs/adr/README.md")))
        there = {n for n in os.listdir(os.path.join(ROOT, "docs/adr")) if re.match(r"\d{4}-", n)}
        self.assertEqual(there, listed)

    def test_every_decision_has_context_decision_consequences_and_what_was_rejected(self):
        for name in os.listdir(os.path.join(ROOT, "docs/adr")):
            if name != "README.md":
                for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Rejected.**"):
                    self.assertIn(part, read("docs/adr/" + name), name)

    def test_files_that_the_architecture_names_are_there(self):
        for name in re.findall(r"`((?:src|include|apps|tests|tools|schema)/[\w./*-]+)`",
                               read("docs/architecture.md")):
            if "*" not in name:
                self.assertTrue(os.path.exists(os.path.join(ROOT, name)), name)


if __name__ == "__main__":
    unittest.main()
