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

    def __init__(self, count, spare, with_certificates=False):
        self.base = tempfile.mkdtemp(prefix="cluster-members-")
        self.endpoints = [f"127.0.0.1:{port}" for port in free_ports(count + spare)]
        self.founders = self.endpoints[:count]
        self.spare = self.endpoints[count:]
        self.processes = {}  # Member -> process.
        self.asked = ",".join(self.endpoints)
        self.certificates = f"{self.base}/certs" if with_certificates else None
        if with_certificates:
            program("certs", "init", self.certificates, check=True)
            for member in range(1, count + spare + 1):
                program("certs", "member", self.certificates, "--id", str(member), check=True)
            program("certs", "client", self.certificates, "--name", "me", check=True)

    def security(self, name):
        return ["--certs", f"{self.certificates}/{name}"] if self.certificates else ["--insecure"]

    def directory(self, member):
        return f"{self.base}/master-{member}"

    def launch(self, name, arguments):
        with open(f"{self.base}/{name}.log", "ab") as log:
            return subprocess.Popen([PROGRAM, *arguments], stdout=log, stderr=log,
                                    start_new_session=True)

    def found(self):
        rows = json.loads(program("init", *self.founders, "--dir", f"{self.base}/master", "--json",
                                  *self.security("HERE"), check=True).stdout)
        for row in rows:
            words = shlex.split(row["command"].replace("/HERE", f"/member-{row['id']}"))
            assert words[:2] == ["cluster", "master"], row
            self.processes[row["id"]] = self.launch(f"master-{row['id']}", words[1:])
        return rows

    def start(self, member, *more):
        """As a member that is one: its directory says everything."""
        self.processes[member] = self.launch(
            f"master-{member}", ["master", *self.security(f"member-{member}"), "--dir",
                                 self.directory(member), *more])

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
        return (*arguments[:at], "--master", self.asked, *self.security("client-me"),
                *arguments[at:])

    def members(self, *arguments, **options):
        return self("members", *arguments, **options)

    def list(self):
        done = self.members("list", "--json")
        return {row["id"]: row for row in json.loads(done.stdout)} if done.returncode == 0 else {}

    def leader(self):
        return until(lambda: next((id for id, row in self.list().items() if row["leads"]), None), 30,
                     "one member leads")

    def add(self, *more):
        """A newcomer, from the operator's two commands; its number."""
        at = self.spare.pop(0)
        token = self.members("add", at, *more, check=True).stdout.strip()
        assert token.startswith("cluster-join:"), token
        member = max(self.list())
        self.processes[member] = self.launch(
            f"master-{member}", ["master", "--join", token, "--listen", at, "--dir",
                                 self.directory(member), *self.security(f"member-{member}")])
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
    def begin(self, count=3, spare=2, with_certificates=False):
        masters = Masters(count, spare, with_certificates)
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

    def test_with_certificates_a_newcomer_joins_a_witness_votes_and_a_member_moves(self):
        masters = self.begin(count=3, spare=3, with_certificates=True)
        masters.found()
        masters.leader()

        fourth = masters.add()
        masters.members("promote", "--wait", "60s", str(fourth), check=True)
        gone = next(id for id in (1, 2, 3) if id != masters.leader())
        masters.members("remove", str(gone), check=True)
        masters.kill(gone)
        witness = masters.add("--witness")
        until(lambda: masters.list()[witness]["state"] == "up", 30, "the witness is up")
        self.assertEqual(masters.list()[witness]["role"], "witness")

        # Of three voters and a witness, three decide: the witness and two others.
        moved = next(id for id, row in masters.list().items() if row["state"] == "up"
                     and row["role"] == "voter")
        masters.stop(moved)
        to = masters.spare.pop(0)
        masters.members("move", str(moved), to, check=True)
        masters.start(moved, "--listen", to)
        until(lambda: masters.list()[moved]["state"] in ("up", "leads"), 30, "the moved one is up")
        self.assertEqual(masters.list()[moved]["endpoint"], to)
        masters.kill(next(id for id, row in masters.list().items()
                          if row["role"] == "voter" and id != moved))
        self.assertNotEqual(masters.leader(), witness)

    def test_what_one_survivor_has_becomes_a_new_cluster(self):
        masters = self.begin(count=3, spare=1)
        masters.found()
        masters.leader()
        masters.processes["agent"] = masters.launch(
            "agent", ["agent", "--masters", ",".join(masters.founders), "--dir",
                      masters.base + "/agent", "--resources", "cpus:4;mem:2048", "--no-cgroups",
                      "--insecure"])
        masters("run", "--timeout", "60s", "--", "echo", "before", check=True)
        job = f"{masters.base}/job.toml"
        with open(job, "w", encoding="utf-8") as file:
            file.write('name = "kept"\n[[stage]]\nname = "s"\ncommand = ["true"]\n')
        masters("submit", job, check=True)
        until(lambda: masters.list()[2]["behind"] == 0, 30, "the second master has it")
        for member in (1, 2, 3):
            masters.kill(member)
        for member in (1, 3):
            shutil.rmtree(masters.directory(member))

        survivor, new = masters.directory(2), f"{masters.base}/new"
        looked = program("recover", survivor)
        self.assertEqual(looked.returncode, 0, looked.stderr)
        self.assertIn("While 2 of these", looked.stdout)
        done = program("recover", survivor, "--force-new-cluster")
        self.assertEqual(done.returncode, 2, done.stdout)
        done = program("recover", survivor, "--force-new-cluster", "--dir", new, "--listen",
                       masters.endpoints[1], check=True)
        self.assertIn("LOST", done.stdout)
        done = program("recover", survivor, "--force-new-cluster", "--dir", new, "--listen",
                       masters.endpoints[1])
        self.assertNotEqual(done.returncode, 0)  # Once.

        masters.processes[2] = masters.launch("master-2", ["master", "--insecure", "--dir", new])
        self.assertEqual(masters.leader(), 2)
        self.assertIn("kept", masters("jobs", check=True).stdout)
        ran = masters("run", "--timeout", "60s", "--", "echo", "after")
        self.assertEqual(ran.stdout, "after\n", ran.stderr)
        fourth = masters.add()
        masters.members("promote", "--wait", "60s", str(fourth), check=True)
        # The old cluster is not this one.
        masters.start(1)
        self.assertNotEqual(masters.processes.pop(1).wait(timeout=60), 0)

    def test_a_saved_copy_votes_only_once_it_is_adopted(self):
        masters = self.begin(count=3, spare=0)
        masters.found()
        masters.leader()
        masters.kill(3)
        saved = masters.base + "/saved"
        shutil.copytree(masters.directory(3), saved)
        shutil.rmtree(masters.directory(3))
        os.rename(saved, masters.directory(3))
        masters.start(3)
        self.assertNotEqual(masters.processes.pop(3).wait(timeout=60), 0)
        self.assertIn("COPY", program("recover", masters.directory(3), check=True).stdout)
        program("recover", masters.directory(3), "--adopt-copy", check=True)
        self.assertNotEqual(
            program("recover", masters.directory(3), "--adopt-copy").returncode, 0)
        masters.start(3)
        until(lambda: masters.list()[3]["state"] in ("up", "leads"), 30, "the third is up")

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
