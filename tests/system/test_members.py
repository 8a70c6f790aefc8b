"""The masters of a running cluster come and go: founded by `init`, joined by token, replaced, moved."""
import json
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import unittest

from harness import PROGRAM, SLOWNESS, free_ports, kill_all, processes_of, program, until


class Masters:
    """Masters and one agent as an operator starts them: by the commands that the program prints."""

    def __init__(self, count, spare):
        self.base = tempfile.mkdtemp(prefix="cluster-members-")
        self.endpoints = [f"127.0.0.1:{port}" for port in free_ports(count + spare)]
        self.founders = self.endpoints[:count]
        self.spare = self.endpoints[count:]
        self.processes = {}  # Member -> process.
        self.asked = ",".join(self.endpoints)

    def directory(self, member):
        return f"{self.base}/master-{member}"

    def launch(self, name, arguments):
        with open(f"{self.base}/{name}.log", "ab") as log:
            return subprocess.Popen([PROGRAM, *arguments], stdout=log, stderr=log,
                                    start_new_session=True)

    def found(self):
        rows = json.loads(program("init", *self.founders, "--dir", f"{self.base}/master", "--json",
                                  "--insecure", check=True).stdout)
        for row in rows:
            words = shlex.split(row["command"])
            assert words[:2] == ["cluster", "master"], row
            self.processes[row["id"]] = self.launch(f"master-{row['id']}", words[1:])
        return rows

    def start(self, member, *more):
        """As a member that is one: its directory says everything."""
        self.processes[member] = self.launch(
            f"master-{member}", ["master", "--insecure", "--dir", self.directory(member), *more])

    def stop(self, member):
        process = self.processes.pop(member)
        process.terminate()
        process.wait(timeout=30 * SLOWNESS)

    def kill(self, member):
        process = self.processes.pop(member)
        kill_all([process.pid])
        process.wait()

    def __call__(self, *arguments, **options):
        return program(*self.with_masters(arguments), **options)

    def with_masters(self, arguments):
        """Options stand before what `run` is to run."""
        at = arguments.index("--") if "--" in arguments else len(arguments)
        return (*arguments[:at], "--master", self.asked, "--insecure", *arguments[at:])

    def members(self, *arguments, **options):
        return self("members", *arguments, **options)

    def list(self):
        done = self.members("list", "--json")
        return {row["id"]: row for row in json.loads(done.stdout)} if done.returncode == 0 else {}

    def leader(self):
        return until(lambda: next((id for id, row in self.list().items() if row["leads"]), None), 30,
                     "one member leads")

    def add(self):
        """A newcomer, from the operator's two commands; its number."""
        at = self.spare.pop(0)
        token = self.members("add", at, check=True).stdout.strip()
        assert token.startswith("cluster-join:"), token
        member = max(self.list())
        self.processes[member] = self.launch(
            f"master-{member}", ["master", "--join", token, "--listen", at, "--dir",
                                 self.directory(member), "--insecure"])
        return member

    def show_logs(self):
        for name in sorted(os.listdir(self.base)):
            if name.endswith(".log"):
                with open(f"{self.base}/{name}", encoding="utf-8", errors="replace") as file:
                    print(f"--- {name}", *file.read().splitlines()[-20:], sep="\n")

    def remove(self):
        kill_all([process.pid for process in self.processes.values()])
        for process in self.processes.values():
            process.wait()
        kill_all(processes_of(self.base))
        shutil.rmtree(self.base, ignore_errors=True)


class Runner(threading.Thread):
    """Runs one small job after another; none may fail, whatever is done to the masters."""

    def __init__(self, masters):
        super().__init__(daemon=True)
        self.masters = masters
        self.over = threading.Event()
        self.done = 0
        self.failures = []

    def run(self):
        while not self.over.is_set():
            ran = self.masters("run", "--timeout", "60s", "--cpus", "0.01", "--mem", "1", "--", "echo",
                               str(self.done), timeout=120)
            if ran.returncode != 0 or ran.stdout != f"{self.done}\n":
                self.failures.append((ran.returncode, ran.stdout, ran.stderr))
            self.done += 1

    def wait_for_more(self, count=3):
        enough = self.done + count
        until(lambda: self.done >= enough or self.failures, 60, f"{count} more jobs")


class MembersTest(unittest.TestCase):
    def begin(self, count=3, spare=2):
        masters = Masters(count, spare)
        self.addCleanup(masters.remove)
        self.addCleanup(lambda: self.failed() and masters.show_logs())
        return masters

    def run(self, result=None):
        self.result = result
        self.before = len(result.errors) + len(result.failures)
        return super().run(result)

    def failed(self):
        return len(self.result.errors) + len(self.result.failures) > self.before

    def test_masters_are_founded_joined_replaced_and_restarted_under_load(self):
        masters = self.begin()
        masters.found()
        masters.leader()
        agent = masters.launch("agent", ["agent", "--masters", ",".join(masters.founders), "--dir",
                                         masters.base + "/agent", "--resources", "cpus:4;mem:2048",
                                         "--no-cgroups", "--insecure"])
        masters.processes["agent"] = agent
        rows = masters.list()
        self.assertEqual({id: row["role"] for id, row in rows.items()},
                         {1: "voter", 2: "voter", 3: "voter"})
        runner = Runner(masters)
        runner.start()
        try:
            runner.wait_for_more()

            fourth = masters.add()
            self.assertEqual(fourth, 4)
            masters.members("promote", "--wait", "60s", "4", check=True)
            self.assertEqual(masters.list()[4]["role"], "voter")
            runner.wait_for_more()

            gone = next(id for id in (1, 2, 3) if id != masters.leader())
            masters.members("remove", str(gone), check=True)
            self.assertNotIn(gone, masters.list())
            masters.kill(gone)
            runner.wait_for_more()

            fifth = masters.add()
            old = masters.leader()  # The leader itself goes.
            masters.members("replace", "--wait", "60s", str(old), str(fifth), check=True)
            rows = masters.list()
            self.assertNotIn(old, rows)
            self.assertEqual(rows[fifth]["role"], "voter")
            masters.kill(old)
            runner.wait_for_more()

            to = next(id for id in masters.list() if id != masters.leader())
            masters.members("transfer", str(to), check=True)
            self.assertEqual(masters.leader(), to)
            runner.wait_for_more()

            for member in sorted(masters.list()):
                masters.kill(member)
                masters.start(member)
                runner.wait_for_more(1)
            until(lambda: all(row["state"] in ("leads", "up") for row in masters.list().values()), 30,
                  "all members are up again")
        finally:
            runner.over.set()
            runner.join()
        self.assertEqual(runner.failures, [])
        self.assertEqual({row["role"] for row in masters.list().values()}, {"voter"})
        self.assertEqual(len(masters.list()), 3)

        # All at once, too.
        members = sorted(masters.list())
        for member in members:
            masters.kill(member)
        for member in members:
            masters.start(member)
        self.assertEqual(masters("run", "--timeout", "60s", "--", "echo", "on").stdout, "on\n")

    def test_what_would_harm_is_refused_with_a_reason(self):
        masters = self.begin(count=3, spare=1)
        masters.found()
        masters.leader()

        done = masters.members("remove", "9")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("9", done.stderr)

        masters.members("add", masters.spare[0], check=True)
        done = masters.members("promote", "4")
        self.assertEqual(done.returncode, 2, done.stderr)  # It never started.
        self.assertIn("4", done.stderr)

        down = next(id for id in (1, 2, 3) if id != masters.leader())
        masters.kill(down)
        up = next(id for id in (1, 2, 3) if id not in (down, masters.leader()))
        until(lambda: masters.list()[down]["state"] == "silent", 30, "its silence is noticed")
        done = masters.members("remove", str(up))
        self.assertEqual(done.returncode, 2, done.stderr)  # One of the two that remain is down.
        done = masters.members("transfer", str(down))
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(sorted(masters.list()), [1, 2, 3, 4])

    def test_a_wrong_token_a_foreign_directory_and_half_a_founding_are_told(self):
        masters = self.begin(count=1, spare=1)
        masters.found()
        masters.leader()
        token = masters.members("add", masters.spare[0], check=True).stdout.strip()
        bad = token[:-1] + ("0" if token[-1] != "0" else "1")
        done = program("master", "--join", bad, "--listen", masters.spare[0], "--dir",
                       masters.directory(2))
        self.assertEqual(done.returncode, 2)
        self.assertIn("checksum", done.stderr)
        done = program("master", "--id", "1", "--dir", masters.directory(2))
        self.assertEqual(done.returncode, 2)
        self.assertIn("--members, --cluster-id missing", done.stderr)
        done = program("master", "--insecure", "--dir", masters.directory(2))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("join", done.stderr)
        done = program("init", "127.0.0.1:7001", "127.0.0.1:7001")
        self.assertEqual(done.returncode, 2)
        self.assertIn("twice", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
