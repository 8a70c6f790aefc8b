"""The examples with state machines: copies agree, survive the loss of one, and come back.

Usage: test_state_machines.py COUNTER KV_SERVER EXISTING_PROGRAM
"""
import os
import socket
import subprocess
import sys
import tempfile
import unittest

COUNTER, KV_SERVER, EXISTING = (os.path.abspath(path) for path in sys.argv[1:4])
DEADLINE = 60  # Seconds that an answer may take on a busy machine.


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
    """A program that answers each line of its input with one."""

    def __init__(self, program, arguments, folder):
        self.process = subprocess.Popen([program, *arguments], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=DEADLINE)

    def end(self):
        """The end of its input is the end of the program."""
        self.process.stdin.close()
        return self.process.wait(timeout=DEADLINE)

    def close(self):
        self.kill()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass


class Examples(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cluster_example_")
        self.addCleanup(self.folder.cleanup)
        self.ports = free_ports(3)

    def copies(self, program):
        started = [Copy(program, [str(i), *self.ports], self.folder.name) for i in (1, 2, 3)]
        for copy in started:
            self.addCleanup(copy.close)
        return started

    def test_a_counter_is_one_number_on_every_copy(self):
        copies = self.copies(COUNTER)
        for i in range(9):
            copies[i % 3].ask("5")
        self.assertEqual([copy.ask("?") for copy in copies], ["45"] * 3)
        copies[0].kill()
        # While the others elect a leader, an answer may be an error.
        self.assertIn("45", (copies[1].ask("?") for _ in range(DEADLINE)))
        copies[1].ask("-3")
        self.assertEqual(copies[2].ask("?"), "42")
        copies[0] = Copy(COUNTER, ["1", *self.ports], self.folder.name)
        self.addCleanup(copies[0].close)
        self.assertEqual(copies[0].ask("?"), "42")
        self.assertEqual([copy.end() for copy in copies], [0, 0, 0])

    def test_an_existing_program_has_one_list_on_every_copy(self):
        copies = self.copies(EXISTING)
        self.assertEqual(copies[0].ask("add buy milk"), "item 1")
        self.assertEqual(copies[1].ask("add write tests"), "item 2")
        self.assertEqual(copies[2].ask("done 1"), "done")
        self.assertEqual(copies[0].ask("done 7"), "there is no such item")
        self.assertEqual([copy.ask("list") for copy in copies], ["1 to do; write tests"] * 3)
        self.assertEqual([copy.end() for copy in copies], [0, 0, 0])

    def test_a_store_takes_commands_anywhere_and_keeps_them(self):
        doors = free_ports(3)
        servers = []
        for i in range(3):
            server = subprocess.Popen([KV_SERVER, str(i + 1), doors[i], *self.ports],
                                      cwd=self.folder.name, text=True, stdout=subprocess.PIPE)
            self.addCleanup(server.stdout.close)
            self.addCleanup(server.wait, DEADLINE)
            self.addCleanup(server.kill)
            servers.append(server)
        for server in servers:
            self.assertEqual(server.stdout.readline(), "ready\n")

        def ask(i, line):
            with socket.create_connection(("127.0.0.1", int(doors[i])), timeout=DEADLINE) as door:
                door.sendall((line + "\n").encode())
                with door.makefile() as lines:
                    return lines.readline().rstrip("\n")

        self.assertEqual(ask(0, "set color dark blue"), "ok")
        self.assertEqual(ask(1, "get color"), "value dark blue")
        servers[0].kill()
        # While the others elect a leader, an answer may be an error.
        self.assertIn("ok", (ask(2, "set color red") for _ in range(DEADLINE)))
        self.assertEqual(ask(1, "get color"), "value red")
        self.assertEqual(ask(1, "del color"), "ok")
        self.assertEqual(ask(2, "get color"), "none")
        self.assertTrue(ask(2, "nonsense").startswith("error"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
