"""The examples of what is built on shared keys: three copies of each, and one that is killed.

Usage: test_recipes.py ELECT CONFIG_MAP DISCOVERY COORDINATION
"""
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ELECT, CONFIG_MAP, DISCOVERY, COORDINATION = (os.path.abspath(path) for path in sys.argv[1:5])
DEADLINE = 90  # Seconds that a line may take on a busy machine.


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
    def __init__(self, program, number, ports, folder, lines):
        self.number = number
        self.process = subprocess.Popen([program, str(number), *ports], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = lines
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put((self.number, line.rstrip("\n")))

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=DEADLINE)
        self.reader.join()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass


class Recipes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cluster_recipes_")
        self.addCleanup(self.folder.cleanup)
        self.lines = queue.Queue()

    def start(self, program):
        ports = free_ports(3)
        copies = {n: Copy(program, n, ports, self.folder.name, self.lines) for n in (1, 2, 3)}
        for copy in copies.values():
            self.addCleanup(copy.kill)
        return copies

    def see(self, is_it):
        """The next line of any copy for which `is_it` holds."""
        while True:
            number, line = self.lines.get(timeout=DEADLINE)
            if is_it(number, line):
                return number, line

    def see_by(self, numbers, wanted):
        """Until each of these copies has said it."""
        missing = set(numbers)
        while missing:
            number, _ = self.see(lambda number, line: number in missing and line == wanted)
            missing.discard(number)

    def test_one_leads_and_when_it_is_killed_another_does_with_a_higher_token(self):
        copies = self.start(ELECT)
        leads = lambda number, line: " leads by token " in line
        first, line = self.see(leads)
        token = int(line.split()[-1])
        copies.pop(first).kill()
        second, line = self.see(lambda number, line: number != first and leads(number, line))
        self.assertIn(second, copies)
        self.assertGreater(int(line.split()[-1]), token)

    def test_a_configuration_that_one_changes_is_reloaded_by_all(self):
        copies = self.start(CONFIG_MAP)
        self.see_by(copies, "config:")
        copies[2].type("limit 8")
        self.see_by(copies, "config: limit=8")
        copies[3].type("limit 9")
        self.see_by(copies, "config: limit=9")

    def test_who_serves_is_known_and_who_was_killed_is_gone(self):
        copies = self.start(DISCOVERY)
        self.see_by(copies, "serving: 1@host-1:80 2@host-2:80 3@host-3:80")
        copies.pop(3).kill()
        self.see_by(copies, "serving: 1@host-1:80 2@host-2:80")

    def test_a_lock_a_barrier_and_a_counter_hold_among_processes(self):
        copies = self.start(COORDINATION)
        self.see_by(copies, "started")
        self.see_by(copies, "balance 30, done 3")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
