"""The three ways to wait for a call, as examples/calls.cpp shows them.

Usage: test_calls.py PROGRAM
"""
import os
import socket
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])


class Calls(unittest.TestCase):
    def test_each_way_appends_and_a_cancelled_call_does_not(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = str(held.getsockname()[1])
        with tempfile.TemporaryDirectory(prefix="cluster_calls_") as folder:
            done = subprocess.run([PROGRAM, os.path.join(folder, "log"), port], timeout=120,
                                  capture_output=True, text=True, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(["future: appended", "callback: appended", "coroutine: appended",
                          "cancelled: cancelled: the caller cancelled it", "several: 3"],
                         done.stdout.splitlines())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
