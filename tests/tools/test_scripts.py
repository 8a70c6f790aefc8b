"""The tools explain themselves, refuse what they do not know, and tell the truth by exit code."""
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(tool, *arguments, cwd=None, env=None):
    return subprocess.run([os.path.join(ROOT, tool), *arguments], cwd=cwd, env=env,
                          capture_output=True, text=True, timeout=60, check=False)


class Tools(unittest.TestCase):
    def test_help_says_how_to_call_from_anywhere(self):
        for tool in ("tools/setup", "tools/check", "tools/fix", "tools/test"):
            done = run(tool, "--help", cwd="/")
            self.assertEqual(0, done.returncode, tool)
            self.assertIn("Usage: " + tool, done.stdout)

    def test_an_unknown_argument_is_refused(self):
        for tool, argument in (("tools/setup", "--lots"), ("tools/check", "--lots"),
                               ("tools/test", "--preset=lots")):
            done = run(tool, argument)
            self.assertEqual(2, done.returncode, tool)
            self.assertIn("lots", done.stderr)

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

    @staticmethod
    def build_folder():
        path = os.path.join(ROOT, "build")
        os.makedirs(path, exist_ok=True)
        return path


if __name__ == "__main__":
    unittest.main()
