"""What the masters agreed on is backed up while it changes, restored elsewhere, and told as it was."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import (PROGRAM, SLOWNESS, Cluster, free_ports, kill_all, processes_of, program,
                     until)


class Submitter(threading.Thread):
    """Submits small jobs, one after another; what was acknowledged is remembered."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.acknowledged = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self.acknowledged.append(self.cluster.submit(
                'name = "small"\ncpus = 0.01\nmem = 1\ncommand = ["true"]\n'))


class Master:
    """One master, started by hand."""

    def __init__(self, base, name, *arguments):
        self.log = f"{base}/{name}.log"
        self.arguments = ["master", "--insecure", *arguments]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, *self.arguments], stdout=log, stderr=log,
                                            start_new_session=True)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=30 * SLOWNESS)

    def show(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            print(f"--- {self.log}", *file.read().splitlines()[-25:], sep="\n")


def ask(endpoint, command, *arguments):
    return json.loads(program(command, "--json", "--master", endpoint, "--insecure", "--timeout",
                              f"{30 * SLOWNESS:.0f}s", *arguments, check=True,
                              timeout=60).stdout)


def replayed(directory, *arguments):
    return json.loads(program("log", "replay", directory, "--json", *arguments, check=True).stdout)


class BackupTest(unittest.TestCase):
    def folder(self):
        base = tempfile.mkdtemp(prefix="cluster-backup-")
        self.addCleanup(shutil.rmtree, base, ignore_errors=True)
        self.addCleanup(lambda: kill_all(processes_of(base)))
        return base

    def start(self, base, name, *arguments):
        master = Master(base, name, *arguments)
        master.start()
        self.addCleanup(master.show)
        self.addCleanup(master.kill)
        return master

    def restored(self, base, backup):
        """A new cluster of one master from a backup; its endpoint."""
        endpoint = f"127.0.0.1:{free_ports(1)[0]}"
        made = json.loads(program("restore", backup, "--dir", f"{base}/made", "--listen", endpoint,
                                  "--json", check=True).stdout)
        self.start(base, "made", "--dir", f"{base}/made")
        status = ask(endpoint, "status", "--wait", f"{60 * SLOWNESS:.0f}s")
        self.assertEqual(status["leader"], 1)
        return endpoint, made

    def test_a_backup_of_a_busy_cluster_is_of_one_moment_and_becomes_a_new_cluster(self):
        base = self.folder()
        cluster = Cluster("--masters", "3", "--agents", "1", "--insecure", "--agent-cpus", "4",
                          "--agent-mem", "1024")
        self.addCleanup(cluster.remove)
        submitter = Submitter(cluster)
        submitter.start()
        until(lambda: len(submitter.acknowledged) >= 5, 60, "jobs are submitted")
        known = list(submitter.acknowledged)
        backup = f"{base}/backup"
        made = cluster.json("backup", backup)
        until(lambda: len(submitter.acknowledged) > len(known) + 2, 60, "jobs go on")
        submitter.over.set()
        submitter.join()

        checked = json.loads(program("restore", backup, "--json", check=True).stdout)
        self.assertEqual(checked["end"], made["end"])
        self.assertEqual(checked["decided_end"], made["end"])
        self.assertGreater(checked["entries"], 5)
        again = cluster("backup", backup)
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertIn("is there already", again.stderr)

        # What every master's log tells of the backup's moment is what the new cluster begins with.
        cluster("down", "--keep", check=True, timeout=120)
        last = str(made["end"] - 1)
        directories = sorted(f"{cluster.directory}/{name}" for name in os.listdir(cluster.directory)
                             if name.startswith("master"))
        self.assertEqual(len(directories), 3)
        told = [replayed(directory, "--to", last)["state"] for directory in directories]
        self.assertEqual([state["digest"] for state in told], [told[0]["digest"]] * 3)
        for job in known:
            self.assertIn(job, [row["id"] for row in told[0]["jobs"]])

        endpoint, restored = self.restored(base, backup)
        self.assertNotEqual(restored["cluster"], checked["cluster"])
        status = ask(endpoint, "status")
        self.assertGreater(status["term"], checked["term"])
        # What ran is lost with its agents in time; what was submitted and what had ended is there.
        jobs = {row["id"] for row in ask(endpoint, "jobs")}
        self.assertEqual(jobs, {row["id"] for row in told[0]["jobs"]})

    def test_a_stopped_master_is_backed_up_and_tells_what_changed_between_two_positions(self):
        base = self.folder()
        cluster = Cluster("--masters", "1", "--agents", "1", "--insecure", "--agent-cpus", "4",
                          "--agent-mem", "1024")
        self.addCleanup(cluster.remove)
        directory = f"{cluster.directory}/master-1"
        self.assertEqual(cluster("run", "--", "echo", "one", check=True).stdout, "one\n")
        in_use = program("log", "replay", directory)
        self.assertEqual(in_use.returncode, 1)
        self.assertIn("is in use", in_use.stderr)
        in_use = program("backup", f"{base}/no", "--stopped", directory)
        self.assertEqual(in_use.returncode, 1)
        self.assertIn("is in use", in_use.stderr)
        self.assertFalse(os.path.exists(f"{base}/no"))
        jobs = [row["id"] for row in cluster.json("jobs")]
        cluster("down", "--keep", check=True, timeout=120)

        now = replayed(directory)
        self.assertEqual([row["id"] for row in now["state"]["jobs"]], jobs)
        self.assertEqual(replayed(directory, "--to", "1")["state"]["agents"], [])
        last = now["position"]
        changes = replayed(directory, "--diff", "1", str(last))["changes"]
        self.assertIn(("jobs", jobs[0]), [(change["table"], change["row"]) for change in changes])
        self.assertTrue(all("before" not in change for change in changes))
        self.assertEqual(replayed(directory, "--diff", str(last), str(last))["changes"], [])
        text = program("log", "replay", directory, "--diff", "1", str(last), check=True).stdout
        self.assertIn(f"+ jobs {jobs[0]}: succeeded", text)
        self.assertIn("AGENT", program("log", "replay", directory, check=True).stdout)
        beyond = program("log", "replay", directory, "--to", "99999999")
        self.assertEqual(beyond.returncode, 1)
        self.assertIn("can tell the state at positions 1 to", beyond.stderr)

        backup = f"{base}/backup"
        program("backup", backup, "--stopped", directory, check=True)
        endpoint, _ = self.restored(base, backup)
        self.assertEqual([row["id"] for row in ask(endpoint, "jobs")], jobs)
        self.assertEqual(ask(endpoint, "jobs")[0]["state"], "succeeded")

    def test_a_damaged_backup_is_refused_before_anything_is_made(self):
        base = self.folder()
        cluster = Cluster("--masters", "1", "--agents", "0", "--insecure")
        self.addCleanup(cluster.remove)
        cluster("backup", f"{base}/backup", check=True)
        with open(f"{base}/backup", "rb") as file:
            sound = file.read()
        for name, bytes_, says in (("flipped", sound[:-20] + bytes([sound[-20] ^ 1]) + sound[-19:],
                                    "damaged at byte"),
                                   ("short", sound[:-9], "cut off"),
                                   ("other", b"not a backup at all", "no backup")):
            with open(f"{base}/{name}", "wb") as file:
                file.write(bytes_)
            done = program("restore", f"{base}/{name}", "--dir", f"{base}/made", "--listen",
                           "127.0.0.1:7001")
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(says, done.stderr)
            self.assertFalse(os.path.exists(f"{base}/made"))

    def test_a_master_that_took_snapshots_restarts_from_one_and_its_backup_has_it(self):
        base = self.folder()
        port, agent_port = free_ports(2)
        endpoint = f"127.0.0.1:{port}"
        master = self.start(base, "master", "--id", "1", "--members", f"1={endpoint}",
                            "--cluster-id", "c0ffee", "--dir", f"{base}/m", "--snapshot-entries",
                            "10")
        agent = subprocess.Popen([PROGRAM, "agent", "--insecure", "--masters", endpoint, "--dir",
                                  f"{base}/a", "--resources", "cpus:4;mem:1024", "--listen",
                                  f"127.0.0.1:{agent_port}"], stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        ask(endpoint, "status", "--wait", f"{60 * SLOWNESS:.0f}s")
        for i in range(8):
            ran = program("run", "--master", endpoint, "--insecure", "--", "echo", str(i),
                          check=True)
            self.assertEqual(ran.stdout, f"{i}\n")
        jobs = {row["id"]: row["state"] for row in ask(endpoint, "jobs")}
        self.assertEqual(len(jobs), 8)

        def snapshots():
            folder = f"{base}/m/snapshots"
            return [n for n in os.listdir(folder) if n.endswith(".snapshot")]

        until(snapshots, 30, "a snapshot")
        master.kill()
        offline = replayed(f"{base}/m")
        self.assertGreater(offline["snapshot_end"], 1)
        self.assertEqual({row["id"] for row in offline["state"]["jobs"]}, set(jobs))
        self.assertEqual(replayed(f"{base}/m", "--to", "1")["snapshot_end"], 0)
        master.start()
        ask(endpoint, "status", "--wait", f"{60 * SLOWNESS:.0f}s")
        self.assertEqual({row["id"]: row["state"] for row in ask(endpoint, "jobs")}, jobs)
        metrics = program("metrics", "--master", endpoint, "--insecure", check=True).stdout
        self.assertRegex(metrics, r"cluster_registry_restores_total\{[^}]*\} 1\n")

        backup = f"{base}/backup"
        made = ask(endpoint, "backup", backup)
        self.assertGreater(made["snapshot_bytes"], 0)
        master.kill()
        # The agents know the old address: the new cluster is theirs once it is there.
        made_endpoint, _ = self.restored(base, backup)
        self.assertEqual({row["id"]: row["state"] for row in ask(made_endpoint, "jobs")}, jobs)


if __name__ == "__main__":
    unittest.main()
