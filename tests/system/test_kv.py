"""Users' keys, locks and elections by the command line, while masters die."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from harness import (PROGRAM, SLOWNESS, Cluster, ClusterTest, alive, free_ports, kill_all,
                     processes_of, program, until)

PATIENCE = f"{60 * SLOWNESS:.0f}s"


def kv(place, command, *arguments, **options):
    """`cluster kv COMMAND`; `place` says which cluster."""
    return program("kv", command, *place, "--timeout", PATIENCE, *arguments, timeout=90, **options)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
        return [int(child) for child in file.read().split()]


class Reader(threading.Thread):
    """Lines that a process writes, as they come."""

    def __init__(self, *arguments, **options):
        super().__init__(daemon=True)
        self.process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **options)
        self.lines = []
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60 * SLOWNESS)
        return self.process.returncode, errors


class KeysTest(ClusterTest):
    up = ("--masters", "3", "--agents", "0")

    def setUp(self):
        self.place = ("--dir", self.cluster.directory)

    def kv(self, command, *arguments, **options):
        return kv(self.place, command, *arguments, **options)

    def revision(self, *arguments):
        return json.loads(self.kv(*arguments, "--json", check=True).stdout)["revision"]

    def refused(self, code, says, command, *arguments, **options):
        done = self.kv(command, *arguments, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, done.stderr)
        return done

    def kill_leader(self):
        leader = self.cluster.leader(60)
        self.cluster.kill(leader)
        return leader

    def test_values_are_any_bytes_and_conditions_hold_or_say_why_not(self):
        every_byte = bytes(range(256))
        done = subprocess.run([PROGRAM, "kv", "put", *self.place, "any/bytes", "-"],
                              input=every_byte, capture_output=True, timeout=60 * SLOWNESS)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([PROGRAM, "kv", "get", *self.place, "--raw", "any/bytes"],
                              capture_output=True, timeout=60 * SLOWNESS)
        self.assertEqual(done.stdout, every_byte)
        self.assertEqual(self.kv("put", "any/word", "two words").returncode, 0)
        self.assertEqual(self.kv("get", "any/word").stdout, "two words\n")
        rows = self.kv("range", "any/", check=True).stdout.splitlines()
        self.assertEqual(rows[1], 'any/word\t"two words"')
        self.assertTrue(rows[0].startswith('any/bytes\t"\\x00\\x01'), rows[0])
        listed = json.loads(self.kv("range", "any/", "--json", check=True).stdout)
        self.assertEqual([sorted(set(row) - {"created", "modified", "version"})
                          for row in listed["keys"]], [["key", "value_base64"], ["key", "value"]])

        self.refused(1, "there is no key any/other", "get", "any/other")
        self.refused(1, "there is no key any/other", "del", "any/other")
        self.refused(1, "at version 1", "put", "--if-absent", "any/word", "x")
        self.refused(1, "at version 1", "put", "--if-version", "7", "any/word", "x")
        self.refused(1, "there is no key", "put", "--if-version", "7", "any/other", "x")
        first = json.loads(self.kv("get", "any/word", "--json", check=True).stdout)["modified"]
        self.kv("put", "--if-version", "1", "any/word", "y", check=True)
        self.assertEqual(self.kv("get", "any/word", check=True).stdout, "y\n")
        self.assertEqual(self.kv("get", "any/word", "--revision", str(first), check=True).stdout,
                         "two words\n")
        self.refused(2, "is yet to come", "get", "any/word", "--revision", "999999999")
        self.kv("put", "any/zebra", "z", check=True)
        keys = self.kv("range", "--from", "any/c", "--to", "any/zebra", "--keys-only", check=True)
        self.assertEqual(keys.stdout, "any/word\n")
        keys = self.kv("range", "any/", "--limit", "2", "--keys-only", check=True)
        self.assertEqual(keys.stdout, "any/bytes\nany/word\n")
        self.assertIn("3 keys deleted", self.kv("del", "any/", "--prefix", check=True).stdout)
        self.assertEqual(self.kv("range", "any/", check=True).stdout, "")

        ttl = f"{3 * SLOWNESS:.0f}s"
        leased = json.loads(self.kv("put", "--lease", ttl, "leased", "x", "--json",
                                    check=True).stdout)
        self.assertRegex(leased["lease"], "^[0-9a-f]{16}$")
        until(lambda: self.kv("get", "leased").returncode == 1, 60, "the lease ends with its key")

    def test_a_transaction_is_read_from_words_and_done_whole_or_not_at_all(self):
        self.kv("put", "account/a", "100", check=True)
        self.kv("put", "account/b", "100", check=True)
        text = ('when\n  value account/a = 100\nthen\n  put account/a 70\n  put account/b "1 30"\n'
                'else\n  range account/\n')
        done = self.kv("txn", input=text)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^then, revision \d+\nput\nput\n$")
        done = self.kv("txn", input=text)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertRegex(done.stdout, r"^else, revision \d+\nread 2\n  account/a\t70\n"
                                      r'  account/b\t"1 30"\n$')
        answer = json.loads(self.kv("txn", "--json", input=text).stdout)
        self.assertEqual([row["value"] for row in answer["results"][0]["keys"]], ["70", "1 30"])
        self.refused(2, "line 2, column 13: 'x' is no number", "txn",
                     input="when\nversion a = x\nthen\ndel a\n")
        self.refused(2, "account/a", "txn", input="then\nput account/a 1\nput account/a 2\n")

    def test_quota_and_compaction_are_told_clearly(self):
        program("kv", "namespace", *self.place, "small", "--keys", "1", check=True)
        self.kv("put", "--namespace", "small", "one", "1", check=True)
        self.refused(1, ['the namespace "small" may hold 1 keys', "would hold 2"], "put",
                     "--namespace", "small", "two", "2")
        self.refused(1, "there is no key one", "get", "one")
        self.refused(1, 'there is no namespace "other"', "get", "--namespace", "other", "one")
        done = program("kv", "namespace", *self.place, "small", "--remove")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("holds 1", done.stderr)
        self.refused(1, "over the limit of 1048576", "put", "large", "-", input="x" * 1_100_000)
        done = program("kv", "put", "--master", "127.0.0.1:1", "--insecure", "--timeout", "500ms", "a",
                       "b")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no leading master answered", done.stderr)
        self.assertNotIn("may have been made", done.stderr)
        self.refused(1, "masters take none over", "put", "large", "-", input="x" * 5_000_000)

        old = self.revision("put", "compacted", "old")
        new = self.revision("put", "compacted", "new")
        program("kv", "compact", *self.place, str(new), check=True)
        self.refused(1, f"revision {old} is no longer kept: the oldest is {new}", "get",
                     "compacted", "--revision", str(old))
        self.refused(1, ["are no longer kept", f"watch from {new + 1}"], "watch", "compacted",
                     "--from", str(old))

    def test_a_watch_across_killed_leaders_leaves_nothing_out_and_tells_nothing_twice(self):
        begin = self.revision("put", "begin", "x")
        watches = [Reader("kv", "watch", *self.place, "--prefix", "seq/", "--from", str(begin),
                          *more) for more in ((), ("--json",))]
        put = []
        over = threading.Event()

        def write():
            while not over.is_set():
                put.append(self.kv("put", f"seq/{len(put) % 3}", str(len(put)), check=True))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(3):
                so_far = len(put)
                until(lambda: len(put) >= so_far + 5, 60, "puts go on")
                so_far = len(put)
                self.kill_leader()
                until(lambda: len(put) >= so_far + 5, 120, "puts go on under the next leader")
                self.cluster.up()
        finally:
            over.set()
            writer.join()
        revisions = [int(re.match(r"revision (\d+)", done.stdout).group(1)) for done in put]
        until(lambda: all(len(watch.lines) >= len(put) for watch in watches), 60, "all is told")
        self.kv("put", "seq/last", "x", check=True)
        until(lambda: all(len(watch.lines) > len(put) for watch in watches), 60, "the last is told")
        told = [watch.lines for watch in watches]
        for watch in watches:
            code, errors = watch.stop()
            self.assertEqual(code, -signal.SIGTERM, errors)
        self.assertEqual(told[0][:-1], [f"{revision}\tput\tseq/{i % 3}\t{i}"
                                        for i, revision in enumerate(revisions)])
        rows = [json.loads(line) for line in told[1]][:-1]
        self.assertEqual([row["value"] for row in rows], [str(i) for i in range(len(put))])
        # Each was applied once, however often it was sent.
        self.assertEqual([row["version"] for row in rows], [1 + i // 3 for i in range(len(put))])

    # Locks and elections.

    def holder(self, kind, name, log, *arguments, ttl=f"{10 * SLOWNESS:.0f}s"):
        """One that notes in `log` that it holds; the command ends with its input. Where two hold at
        a time, the system's own lock tells."""
        script = (f'exec flock -nFE 77 {log}.held sh -c "echo held \\$CLUSTER_FENCE >> {log}; exec cat"')
        process = subprocess.Popen(
            [PROGRAM, kind, *self.place, "--timeout", PATIENCE, "--ttl", ttl, *arguments, name, "--",
             "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def folder(self):
        base = tempfile.mkdtemp(prefix="cluster-kv-")
        self.addCleanup(shutil.rmtree, base, ignore_errors=True)
        return base

    @staticmethod
    def fences(log):
        try:
            with open(log, encoding="utf-8") as file:
                return [int(line.split()[1]) for line in file.read().splitlines()]
        except FileNotFoundError:
            return []

    def one_holds(self, holders):
        """The one whose command runs."""
        running = [one for one in holders if one.poll() is None and children_of(one.pid)]
        self.assertLessEqual(len(running), 1)
        return running[0] if running else None

    def take_turns(self, kind, name):
        log = self.folder() + "/log"
        holders = [self.holder(kind, name, log) for _ in range(3)]
        first = until(lambda: len(self.fences(log)) == 1 and self.one_holds(holders), 60, "one holds")
        prefix = f"{kind.replace('elect', 'election')}/{name}/"
        until(lambda: len(self.kv("range", prefix, check=True).stdout.splitlines()) == 3, 60,
              "the others wait")
        # A leader's death takes nothing from anybody.
        self.kill_leader()
        self.cluster.leader(60)
        self.assertIs(self.one_holds(holders), first)
        self.cluster.up()

        command = children_of(first.pid)
        first.kill()
        first.communicate()
        until(lambda: not any(alive(pid) for pid in command), 30, "the command dies with its holder")
        second = until(lambda: len(self.fences(log)) == 2 and self.one_holds(holders), 120,
                       "another holds")
        self.assertIsNot(second, first)
        _, errors = second.communicate("", timeout=60 * SLOWNESS)
        self.assertEqual(second.returncode, 0, errors)
        third = until(lambda: len(self.fences(log)) == 3 and self.one_holds(holders), 60,
                      "the last holds")
        self.assertEqual({first, second, third}, set(holders))
        third.send_signal(signal.SIGTERM)
        third.wait(timeout=60 * SLOWNESS)  # Its input stays open: the command ends by nothing else.
        third.communicate()
        self.assertEqual(third.returncode, 128 + signal.SIGTERM)
        fences = self.fences(log)
        self.assertEqual(fences, sorted(set(fences)), "tokens grow")
        self.assertEqual(self.kv("range", prefix, check=True).stdout, "")

    def test_a_lock_is_held_by_one_and_goes_on_when_its_holder_is_killed(self):
        self.take_turns("lock", "turns")

    def test_an_election_has_one_winner_and_another_when_that_one_is_killed(self):
        self.take_turns("elect", "turns")

    def test_shared_locks_are_held_together_and_exclude_the_others(self):
        base = self.folder()
        shared = [self.holder("lock", "both", f"{base}/{i}", "--shared") for i in range(2)]
        until(lambda: all(self.fences(f"{base}/{i}") for i in range(2)), 60, "both hold it")
        done = program("lock", *self.place, "--wait", "1s", "both", "--", "true")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("the time to wait for the lock both is over", done.stderr)
        for one in shared:
            one.communicate("", timeout=60 * SLOWNESS)
            self.assertEqual(one.returncode, 0)
        done = program("lock", *self.place, "both", "--", "sh", "-c", "exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        done = program("lock", *self.place, "both", "--", "/no/such/program")
        self.assertEqual(done.returncode, 127, done.stderr)
        self.assertIn("/no/such/program", done.stderr)
        self.assertEqual(self.kv("range", "lock/both/", check=True).stdout, "")

    def test_a_command_is_ended_when_its_lease_cannot_be_kept(self):
        log = self.folder() + "/log"
        process = subprocess.Popen(
            [PROGRAM, "lock", *self.place, "--ttl", "4s", "cut", "--", "sh", "-c",
             f'trap "echo told >> {log}; exit 0" TERM; echo held >> {log}; sleep 1000 & wait'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        until(lambda: os.path.exists(log), 60, "it is held")
        masters = [daemon["pid"] for daemon in self.cluster.daemons().values()]
        for pid in masters:
            os.kill(pid, signal.SIGSTOP)
        try:
            _, errors = process.communicate(timeout=60 * SLOWNESS)
        finally:
            for pid in masters:
                os.kill(pid, signal.SIGCONT)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("the lock cut is not kept", errors)
        with open(log, encoding="utf-8") as file:
            self.assertEqual(file.read(), "held\ntold\n")
        self.cluster.leader(60)


class KeptTest(unittest.TestCase):
    """Backups, snapshots and the past have the keys."""

    def folder(self):
        base = tempfile.mkdtemp(prefix="cluster-kv-")
        self.addCleanup(shutil.rmtree, base, ignore_errors=True)
        self.addCleanup(lambda: kill_all(processes_of(base)))
        return base

    def start(self, base, name, *arguments):
        with open(f"{base}/{name}.log", "ab") as log:
            process = subprocess.Popen([PROGRAM, "master", "--insecure", *arguments], stdout=log,
                                       stderr=log, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    @staticmethod
    def place(endpoint):
        return ("--master", endpoint, "--insecure")

    def test_a_restart_from_a_snapshot_and_a_restored_backup_have_all_keys(self):
        base = self.folder()
        endpoint, restored_endpoint = (f"127.0.0.1:{port}" for port in free_ports(2))
        arguments = ("--id", "1", "--members", f"1={endpoint}", "--cluster-id", "c0ffee", "--dir",
                     f"{base}/m", "--snapshot-entries", "10")
        master = self.start(base, "m", *arguments)
        place = self.place(endpoint)
        for i in range(12):
            kv(place, "put", f"k{i}", str(i), check=True)
        kv(place, "put", "leased", "x", "--lease", "1h", check=True)
        program("kv", "namespace", *place, "other", "--keys", "5", check=True)
        kv(place, "put", "--namespace", "other", "mine", "1", check=True)
        kv(place, "del", "k3", check=True)

        def snapshots():
            folder = f"{base}/m/snapshots"
            return [name for name in os.listdir(folder) if name.endswith(".snapshot")]

        until(snapshots, 60, "a snapshot")
        kv(place, "put", "after", "the snapshot", check=True)

        def state(at):
            whole = json.loads(kv(at, "range", "--json", check=True).stdout)
            other = json.loads(kv(at, "range", "--namespace", "other", "--json",
                                  check=True).stdout)
            return whole["revision"], whole["keys"], other["keys"]

        before = state(place)
        self.assertEqual(len(before[1]), 13)
        master.kill()
        master.wait()

        told = json.loads(program("log", "replay", f"{base}/m", "--json", check=True).stdout)
        self.assertGreater(told["snapshot_end"], 1)
        self.assertEqual((told["refused"], told["skipped"]), (0, 0))
        keys = told["state"]["keys"]
        self.assertEqual(keys["revision"], before[0])
        self.assertEqual([row for row in keys["keys"] if "namespace" not in row], before[1])
        self.assertEqual([(row["name"], row["keys"], row["keys_max"]) for row in keys["namespaces"]],
                         [("", 13, 0), ("other", 1, 5)])
        last = told["position"]
        changes = json.loads(program("log", "replay", f"{base}/m", "--json", "--diff",
                                     str(told["first"]), str(last), check=True).stdout)["changes"]
        self.assertIn("after", [change["row"] for change in changes if change["table"] == "keys"])
        text = program("log", "replay", f"{base}/m", "--diff", str(told["first"]), str(last),
                       check=True).stdout
        self.assertIn('+ keys after: {"key":"after","value":"the snapshot"', text)
        self.assertIn("keys, revision", program("log", "replay", f"{base}/m", check=True).stdout)

        self.start(base, "m", "--dir", f"{base}/m")
        self.assertEqual(state(place), before)
        backup = f"{base}/backup"
        program("backup", backup, *place, "--timeout", PATIENCE, check=True)
        program("restore", backup, "--dir", f"{base}/made", "--listen", restored_endpoint,
                check=True)
        self.start(base, "made", "--dir", f"{base}/made")
        restored = self.place(restored_endpoint)
        self.assertEqual(state(restored), before)
        self.assertGreater(json.loads(kv(restored, "put", "new", "x", "--json",
                                         check=True).stdout)["revision"], before[0])

    def test_masters_that_were_behind_agree_on_keys_again(self):
        cluster = Cluster("--masters", "3", "--agents", "0", "--insecure")
        self.addCleanup(cluster.remove)
        place = ("--dir", cluster.directory)
        leader = cluster.leader(60)
        behind = next(name for name in cluster.daemons() if name != leader)
        cluster.kill(behind)
        for i in range(10):
            kv(place, "put", "k", str(i), check=True)
        cluster.up()

        def agree():
            rows = cluster.json("masters")
            states = {(row["applied"], row["digest"]) for row in rows}
            return len(rows) == 3 and len(states) == 1 and (None, None) not in states

        until(agree, 60, "all masters have the same state")


if __name__ == "__main__":
    unittest.main(verbosity=2)
