"""The tools explain themselves, refuse what they do not know, and tell the truth by exit code."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(tool, *arguments, cwd=None, env=None):
    return subprocess.run([os.path.join(ROOT, tool), *arguments], cwd=cwd, env=env,
                          capture_output=True, text=True, timeout=60, check=False)


class Tools(unittest.TestCase):
    def test_help_says_how_to_call_from_anywhere(self):
        for tool in ("tools/setup", "tools/check", "tools/fix", "tools/test", "tools/fuzz"):
            done = run(tool, "--help", cwd="/")
            self.assertEqual(0, done.returncode, tool)
            self.assertIn("Usage: " + tool, done.stdout)

    def test_an_unknown_argument_is_refused(self):
        for tool, argument in (("tools/setup", "--lots"), ("tools/check", "--lots"), ("tools/fuzz", "--lots"),
                               ("tools/test", "--preset=lots")):
            done = run(tool, argument)
            self.assertEqual(2, done.returncode, tool)
            self.assertIn("lots", done.stderr)

    def test_what_the_mutants_break_stands_where_they_say(self):
        done = run("tools/mutants", "--check")
        self.assertEqual(0, done.returncode, done.stderr)

    def test_setup_names_each_package_that_the_documentation_explains(self):
        listed = run("tools/setup", "--list").stdout.split()
        with open(os.path.join(ROOT, "docs", "dependencies.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertGreater(len(listed), 10)
        self.assertEqual([], [name for name in listed if f"`{name}`" not in text])

    def test_setup_says_what_to_run_when_it_cannot_install(self):
        with tempfile.TemporaryDirectory() as folder:
            # A machine on which nothing is installed and the user is nobody in particular.
            for name, body in (("dpkg-query", "exit 1"), ("id", "echo 1000")):
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"#!/bin/bash\n{body}\n")
                os.chmod(path, 0o755)
            done = run("/bin/bash", os.path.join(ROOT, "tools/setup"), env={"PATH": folder})
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        self.assertIn("apt-get install --no-install-recommends g++", done.stderr)

    def test_fix_formats_a_file_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.cpp")
            with open(path, "w", encoding="utf-8") as file:
                file.write("int   f( ){return 1;}\n")
            self.assertEqual(path, run("tools/fix", path).stdout.strip())
            self.assertEqual("", run("tools/fix", path).stdout.strip())

    def test_a_simulator_that_fails_makes_the_check_fail_and_its_words_are_shown(self):
        # The check takes the program from build/PRESET, wherever PRESET leads.
        with tempfile.TemporaryDirectory(dir=self.build_folder()) as folder:
            program = os.path.join(folder, "apps", "cluster", "cluster")
            os.makedirs(os.path.dirname(program))
            for code, verdict in ((1, "FAILED"), (0, "ok")):
                with open(program, "w", encoding="utf-8") as file:
                    file.write(f'#!/bin/bash\necho "replay: $*"\nexit {code}\n')
                os.chmod(program, 0o755)
                done = run("tools/check", "--preset", os.path.basename(folder), "--seeds", "3..4",
                           "sim")
                self.assertEqual(code, done.returncode)
                self.assertIn(verdict, done.stdout)
                if code:
                    self.assertIn("replay: sim --seeds 3..4", done.stdout)

    def test_a_test_that_passes_when_run_again_alone_is_named_and_counts_as_passed(self):
        broken = self.run_tests({"steady": "exit 0", "broken": "exit 1"})
        self.assertEqual(1, broken.returncode, broken.stdout)
        self.assertTrue(broken.stdout.endswith("1 passed, 1 failed\n"), broken.stdout)
        self.assertNotIn("only when run again", broken.stdout)

        flaky = self.run_tests({"steady": "exit 0", "flaky (a+b)": "mkdir was || exit 0; exit 1"})
        self.assertEqual(0, flaky.returncode, flaky.stdout)
        self.assertTrue(flaky.stdout.endswith(
            "passed only when run again alone: flaky (a+b)\n2 passed, 0 failed\n"), flaky.stdout)

    def test_no_test_at_all_is_a_failure(self):
        none = self.run_tests({})
        self.assertEqual(1, none.returncode, none.stdout)
        self.assertTrue(none.stdout.endswith("0 passed, 1 failed\n"), none.stdout)

    def run_tests(self, tests):
        """What tools/test says in a tree that has only these tests: shell scripts by name."""
        with tempfile.TemporaryDirectory() as folder:
            build = os.path.join(folder, "build", "dev")
            for path in (build, os.path.join(folder, "tools"), os.path.join(folder, "bin")):
                os.makedirs(path)
            shutil.copy(os.path.join(ROOT, "tools", "test"), os.path.join(folder, "tools", "test"))
            for stub in ("tools/setup", "tools/check", "bin/cmake"):
                path = os.path.join(folder, stub)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("#!/bin/bash\nexit 0\n")
                os.chmod(path, 0o755)
            with open(os.path.join(build, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
                for name, script in tests.items():
                    file.write(f'add_test([=[{name}]=] /bin/bash -c [=[{script}]=])\n')
            env = dict(os.environ, PATH=os.path.join(folder, "bin") + ":" + os.environ["PATH"])
            return subprocess.run([os.path.join(folder, "tools", "test")], env=env,
                                  capture_output=True, text=True, timeout=120, check=False)

    @staticmethod
    def build_folder():
        path = os.path.join(ROOT, "build")
        os.makedirs(path, exist_ok=True)
        return path


if __name__ == "__main__":
    unittest.main()
