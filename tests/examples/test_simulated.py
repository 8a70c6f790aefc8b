"""The examples of the test kit: right code passes all seeds, wrong code fails one, again and again.

Usage: test_simulated.py SIMULATED_BANK SIMULATED_LOCK
"""
import os
import re
import subprocess
import sys
import unittest

BANK, LOCK = (os.path.abspath(path) for path in sys.argv[1:3])


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


class Simulated(unittest.TestCase):
    def check_bug(self, program, flag, words):
        found = run(program, flag, "--seeds", "300")
        self.assertEqual(1, found.returncode, found.stdout)
        self.assertRegex(found.stdout, words)
        seed = re.search(r"again: --seed (\d+)", found.stdout).group(1)
        again = run(program, flag, "--seed", seed)
        self.assertEqual(found.stdout, again.stdout)
        self.assertEqual(1, again.returncode)
        right = run(program, "--seed", seed)
        self.assertEqual(0, right.returncode, right.stdout)

    def test_a_bank_that_is_right_passes_and_one_that_counts_twice_is_found(self):
        right = run(BANK, "--seeds", "100")
        self.assertEqual(0, right.returncode, right.stdout)
        self.check_bug(BANK, "--buggy", r"made \d+ deposits and has \d+")

    def test_a_storage_that_refuses_old_tokens_passes_and_one_that_does_not_is_found(self):
        right = run(LOCK, "--seeds", "100")
        self.assertEqual(0, right.returncode, right.stdout)
        self.check_bug(LOCK, "--unfenced", r"by token \d+ after one by token \d+")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
