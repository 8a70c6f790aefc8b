"""Masters of an earlier version are replaced by those of this one, one at a time, under load."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import PROGRAM, SLOWNESS, free_ports, kill_all, processes_of, program, until

PREVIOUS = os.environ.get("CLUSTER_PREVIOUS", "")
MEMBERS = (1, 2, 3)


class Masters:
    """Three masters, each of which is of one version or the other."""

    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="cluster-upgrade-")
        self.endpoints = [f"127.0.0.1:{port}" for port in free_ports(len(MEMBERS))]
        self.processes = {}

    def log(self, member):
        return f"{self.base}/{member}.log"

    def start(self, member, version):
        members = ",".join(f"{i}={endpoint}" for i, endpoint in zip(MEMBERS, self.endpoints))
        with open(self.log(member), "ab") as log:
            self.processes[member] = subprocess.Popen(
                [version, "master", "--insecure", "--id", str(member), "--members", members,
                 "--cluster-id", "c0ffee", "--dir", f"{self.base}/{member}", "--snapshot-entries",
                 "20", "--digest-interval", "1s", "--election-timeout", "1s"],
                stdout=log, stderr=log, start_new_session=True)

    def stop(self, member):
        self.processes[member].send_signal(signal.SIGTERM)
        self.processes[member].wait(timeout=60 * SLOWNESS)

    def ask(self, command, *arguments, endpoints=None):
        return program(command, "--master", ",".join(endpoints or self.endpoints), "--insecure",
                       "--timeout", f"{60 * SLOWNESS:.0f}s", *arguments, timeout=90)

    def json(self, command, *arguments):
        return json.loads(self.ask(command, "--json", *arguments).stdout or "null")

    def metric(self, member, name):
        """As that master says; none while it says nothing."""
        told = self.ask("metrics", endpoints=[self.endpoints[MEMBERS.index(member)]])
        found = re.findall(rf'^{name}\{{process="master-{member}"\}} (\d+)$', told.stdout,
                           re.MULTILINE)
        return int(found[0]) if found else None

    def format_of(self, member):
        return until(lambda: self.metric(member, "cluster_registry_format"), 60, "it says so")

    def comparisons_of(self, member):
        return self.metric(member, "cluster_registry_digest_checks_total")

    def remove(self):
        kill_all(processes_of(self.base))
        for process in self.processes.values():
            process.wait(timeout=30 * SLOWNESS)
        shutil.rmtree(self.base, ignore_errors=True)


class Submitter(threading.Thread):
    """Submits small jobs, one after another; what was acknowledged is remembered."""

    def __init__(self, masters):
        super().__init__(daemon=True)
        self.masters = masters
        self.path = f"{masters.base}/job.toml"
        with open(self.path, "w", encoding="utf-8") as file:
            file.write('name = "small"\ncpus = 0.01\nmem = 1\ncommand = ["true"]\n')
        self.acknowledged = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            done = self.masters.ask("submit", self.path)
            # A leader that goes may leave open what became of a job: only what was told counts.
            if done.returncode == 0:
                self.acknowledged.append(done.stdout.strip())


class UpgradeTest(unittest.TestCase):
    def test_three_masters_are_upgraded_one_by_one_under_load_and_nothing_is_lost(self):
        masters = Masters()
        self.addCleanup(masters.remove)
        self.addCleanup(self.show, masters)
        for member in MEMBERS:
            masters.start(member, PREVIOUS)
        masters.json("status", "--wait", f"{60 * SLOWNESS:.0f}s")
        submitter = Submitter(masters)
        submitter.start()
        self.addCleanup(submitter.join)
        self.addCleanup(submitter.over.set)

        def goes_on(count=5):
            before = len(submitter.acknowledged)
            until(lambda: len(submitter.acknowledged) >= before + count, 120, "jobs are submitted")

        def compares(member):
            """Masters say what they read, twice: what is to be agreed on is agreed on by then."""
            until(lambda: masters.comparisons_of(member) is not None, 60, "it is up")
            known = masters.comparisons_of(member) or 0
            until(lambda: (masters.comparisons_of(member) or 0) >= known + 2, 60, "comparisons")

        goes_on()
        for member in MEMBERS[:-1]:
            masters.stop(member)
            masters.start(member, PROGRAM)
            goes_on()
            # Two versions work with each other, in what both of them know.
            compares(member)
            self.assertEqual(masters.format_of(member), 1)
        masters.stop(MEMBERS[-1])
        goes_on()
        compares(MEMBERS[0])
        self.assertEqual(masters.format_of(MEMBERS[0]), 1)
        # It may come back as what it was: nothing has changed that it does not know.
        masters.start(MEMBERS[-1], PREVIOUS)
        compares(MEMBERS[-1])
        self.assertEqual(masters.format_of(MEMBERS[-1]), 1)
        self.assertIsNone(masters.processes[MEMBERS[-1]].poll())
        goes_on()
        masters.stop(MEMBERS[-1])
        masters.start(MEMBERS[-1], PROGRAM)
        for member in MEMBERS:
            until(lambda m=member: masters.format_of(m) == 2, 120, "all have the newer format")
        goes_on()

        # From here on the earlier version would not understand what it reads.
        for member in (1, 3):
            masters.stop(member)
            masters.start(member, PREVIOUS)
            code = masters.processes[member].wait(timeout=60 * SLOWNESS)
            with open(masters.log(member), encoding="utf-8", errors="replace") as file:
                said = file.read()
            self.assertEqual(code, 1, said[-2000:])
            self.assertRegex(said, r"the cluster's state is of format 2, and this program reads up "
                                   r"to format 1: start version \S+ or a later one here")
            masters.start(member, PROGRAM)
            goes_on()

        submitter.over.set()
        submitter.join()
        known = {row["id"] for row in masters.json("jobs")}
        self.assertGreater(len(submitter.acknowledged), 30)
        self.assertEqual([job for job in submitter.acknowledged if job not in known], [])
        masters.json("status", "--wait", f"{60 * SLOWNESS:.0f}s")
        digests = until(lambda: self.equal_digests(masters), 60, "all have one state")
        self.assertEqual(len(digests), 1)

    def equal_digests(self, masters):
        """Once all masters have applied the same, what their states' digests are."""
        rows = masters.json("masters") or []
        if len(rows) != len(MEMBERS) or len({row.get("applied") for row in rows}) != 1:
            return None
        return {row["digest"] for row in rows}

    def show(self, masters):
        for member in MEMBERS:
            with open(masters.log(member), encoding="utf-8", errors="replace") as file:
                print(f"--- {member}", *file.read().splitlines()[-25:], sep="\n")


if __name__ == "__main__":
    unittest.main()
