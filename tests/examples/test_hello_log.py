"""Three copies of hello_log: a line typed into any appears in all, in one order, and survives.

Usage: test_hello_log.py PROGRAM
"""
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DEADLINE = 60  # Seconds that a line may take on a busy machine.


def free_ports(count):
    """Ports that were free a moment ago; held together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Copy:
    def __init__(self, number, ports, folder):
        self.process = subprocess.Popen([PROGRAM, str(number), *ports], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def see(self, count):
        return [self.lines.get(timeout=DEADLINE) for _ in range(count)]

    def close(self):
        """The end of its input is the end of the program."""
        self.process.stdin.close()
        code = self.process.wait(timeout=DEADLINE)
        self.reader.join()
        self.process.stdout.close()
        return code


class HelloLog(unittest.TestCase):
    def test_copies_agree_on_one_history_and_keep_it(self):
        with tempfile.TemporaryDirectory(prefix="cluster_hello_") as folder:
            ports = free_ports(3)
            copies = [Copy(n, ports, folder) for n in (1, 2, 3)]
            try:
                for copy, line in zip(copies, ("from one", "from two", "from three")):
                    copy.type(line)
                seen = [copy.see(3) for copy in copies]
                self.assertEqual(["from one", "from three", "from two"], sorted(seen[0]))
                self.assertEqual([seen[0]] * 2, seen[1:])
            finally:
                codes = [copy.close() for copy in copies]
            self.assertEqual([0, 0, 0], codes)

            # The directories are the authority: started again, they have it all.
            copies = [Copy(n, ports, folder) for n in (1, 2, 3)]
            try:
                self.assertEqual([seen[0]] * 3, [copy.see(3) for copy in copies])
            finally:
                for copy in copies:
                    copy.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
