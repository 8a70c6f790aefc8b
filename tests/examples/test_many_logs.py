"""Many logs in one program, as examples/many_logs.cpp shows them.

Usage: test_many_logs.py PROGRAM
"""
import os
import socket
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])


class ManyLogs(unittest.TestCase):
    def test_each_log_keeps_its_own_state_over_a_restart(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = str(held.getsockname()[1])
        with tempfile.TemporaryDirectory(prefix="cluster_many_logs_") as folder:
            for run in (1, 2):
                done = subprocess.run([PROGRAM, os.path.join(folder, "host"), port, "7"],
                                      timeout=120, capture_output=True, text=True, check=False)
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                self.assertEqual([f"account {i}: {run * i}" for i in range(1, 8)],
                                 done.stdout.splitlines())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
