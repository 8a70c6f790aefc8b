"""Members of a replicated log as processes, clients that ask them at random, and what must hold of it.

The laws, whatever was done to the members meanwhile:
  - every write that was acknowledged is in the log, once, and in the same order at every member;
  - no write that was refused for certain is there;
  - what the clients saw is linearizable.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import PROGRAM, SLOWNESS, free_ports, kill_all, until

LOG_NODE = os.environ.get("CLUSTER_LOG_NODE", "")
ANSWER_SECONDS = 1.5 * SLOWNESS  # Of a member that stands still.


class Silent(Exception):
    """No answer: what was asked may take effect or not."""


class Connection:
    """One line there, one line back."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_SECONDS)
        try:
            self.socket.connect(path)
        except OSError as error:
            self.socket.close()
            raise ConnectionError(str(error)) from error
        self.rest = b""

    def ask(self, line):
        try:
            self.socket.sendall(line.encode() + b"\n")
            while b"\n" not in self.rest:
                part = self.socket.recv(1 << 20)
                if not part:
                    raise Silent("the member went away")
                self.rest += part
        except OSError as error:
            raise Silent(str(error)) from error
        answer, self.rest = self.rest.split(b"\n", 1)
        return answer.decode()

    def close(self):
        self.socket.close()


class Client(threading.Thread):
    """Puts, gets and swaps at random, one at a time, until told to end; writes down what it saw."""

    def __init__(self, name, sockets, seed, began, pause):
        super().__init__(daemon=True)
        self.name = name
        self.sockets = sockets
        self.random = random.Random(seed)
        self.began = began
        self.pause = pause
        self.over = threading.Event()
        self.history = []
        self.acknowledged = {}  # value -> when
        self.refused = set()
        self.connection = None
        self.seen = {}

    def note(self, kind, **what):
        self.history.append({"type": kind, "client": self.name, "time": time.monotonic_ns(), **what})

    def run(self):
        at = self.random.choice(self.sockets)
        number = 0
        while not self.over.is_set():
            number += 1
            if self.connection is None or self.random.random() < 0.02:
                self.disconnect()
                at = self.random.choice(self.sockets)
                try:
                    self.connection = Connection(at)
                except ConnectionError:
                    self.over.wait(0.02)
                    continue
            if not self.do_one(f"{self.name}.{number}"):
                self.disconnect()
                self.over.wait(0.01)
            if self.pause:
                self.over.wait(self.pause)
        self.disconnect()

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def do_one(self, value):
        """False when another member should be asked next."""
        # New keys every second: the checker's work stays small.
        key = f"{int(time.monotonic() - self.began)}.{self.random.randrange(4)}"
        call = self.random.choices(("put", "get", "cas"), (40, 40, 20))[0]
        if call == "get":
            self.note("invoke", call="get", key=key)
            line = f"get {key}"
        elif call == "put":
            self.note("invoke", call="put", key=key, value=value)
            line = f"put {key} {value}"
        else:
            expected = self.seen.get(key)
            self.note("invoke", call="cas", key=key, expected=expected, value=value)
            line = f"cas {key} {expected or '-'} {value}"
        try:
            verdict, _, what = self.connection.ask(line).partition(" ")
        except Silent:
            verdict, what = "unknown", ""
        if verdict == "ok":
            return self.succeeded(call, key, value, what)
        # A question changes nothing: without an answer it might as well not have been asked.
        is_refused = call == "get" or verdict == "failed"
        self.note("failed" if is_refused else "unknown", value=value)
        if call != "get" and verdict == "failed":
            self.refused.add(value)
        return False

    def succeeded(self, call, key, value, what):
        if call == "get":
            self.seen[key] = None if what == "-" else what
            self.note("return", value=self.seen[key])
            return True
        self.acknowledged[value] = time.monotonic()
        if call == "cas":
            self.note("return", swapped=what == "true")
        else:
            self.seen[key] = value
            self.note("return")
        return True


class Load:
    """Some clients over a while: `with Load(cluster) as load:` and then `load.check()`.

    `pause`: of each between its calls, where the machine's speed must not say how much is written.
    """

    def __init__(self, cluster, clients=6, pause=0):
        self.cluster = cluster
        began = time.monotonic()
        sockets = [member.socket for member in cluster.members.values()]
        self.clients = [Client(f"c{i}", sockets, cluster.random.random(), began, pause)
                        for i in range(clients)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.over.set()
        for client in self.clients:
            client.join()

    def acknowledged(self):
        return sum(len(client.acknowledged) for client in self.clients)

    def wait_for_more(self, count=100, seconds=15):
        """Until so many more writes were acknowledged than now."""
        enough = self.acknowledged() + count
        until(lambda: self.acknowledged() >= enough, seconds, f"{count} more writes acknowledged")

    def go_on(self, seconds):
        """Lets the clients work on whatever the state of things is."""
        self.clients[0].over.wait(seconds)

    def longest_gap(self):
        times = sorted(when for client in self.clients for when in client.acknowledged.values())
        return max((b - a for a, b in zip(times, times[1:])), default=0)

    def check(self, members=None):
        """All laws, of what these members hold (all that run, where none are named)."""
        written = self.cluster.agreed_history(members)
        position = {value: at for at, value in enumerate(written)}
        assert len(position) == len(written), "a write is in the log twice: " + str(
            sorted(value for value in position if written.count(value) > 1)[:5])
        acknowledged = {value for client in self.clients for value in client.acknowledged}
        lost = acknowledged - set(position)
        assert not lost, f"{len(lost)} acknowledged writes are lost: {sorted(lost)[:5]}"
        undead = {value for client in self.clients for value in client.refused} & set(position)
        assert not undead, f"{len(undead)} refused writes took effect: {sorted(undead)[:5]}"
        self.check_linearizable(position)
        unknown = len(position) - len(acknowledged)
        print(f"  {len(acknowledged)} writes acknowledged, {unknown} more took effect; longest time "
              f"without one {self.longest_gap():.2f} s", flush=True)

    def check_linearizable(self, position):
        lines = []
        for client in self.clients:
            for line in client.history:
                # What is not in the log by the end never takes effect: the checker may know.
                if line["type"] == "unknown" and line["value"] not in position:
                    line["type"] = "failed"
                lines.append(line)
        lines.sort(key=lambda line: line["time"])
        path = self.cluster.base + "/history.jsonl"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        done = subprocess.run([PROGRAM, "sim", "check-history", path], capture_output=True, text=True,
                              timeout=120 * SLOWNESS, check=False)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stdout}{done.stderr}"


class Member:
    """One process. `prefix` and `environment` say where it runs and with what."""

    def __init__(self, cluster, number, endpoint, listen=None, prefix=(), directory=None):
        self.number = number
        self.endpoint = endpoint
        self.listen = listen
        self.prefix = list(prefix)
        self.environment = {}
        self.arguments = []  # NAME, VALUE, ... for the program.
        self.directory = directory or f"{cluster.base}/store{number}"
        self.socket = f"{cluster.base}/{number}.sock"
        self.log = f"{cluster.base}/{number}.log"
        self.cluster = cluster
        self.process = None

    def launch(self):
        """Starts it; does not wait until it serves."""
        members = ",".join(f"{m.number}={m.endpoint}" for m in self.cluster.members.values())
        arguments = [LOG_NODE, "directory", self.directory, "self", str(self.number), "members",
                     members, "socket", self.socket]
        if self.listen:
            arguments += ["listen", self.listen]
        arguments += self.arguments
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.prefix + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True, env={**os.environ, **self.environment})

    def start(self):
        self.launch()
        line = self.process.stdout.readline()
        assert line == b"ready\n", f"member {self.number} did not start: {self.last_words()}"

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def last_words(self, count=3):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return " | ".join(file.read().splitlines()[-count:])

    def stop_reason(self):
        """What it said last when it stopped for good."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file.read().splitlines() if "replica stopped" in line]
        return lines[-1] if lines else ""

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        if self.process is None:
            return
        kill_all([self.process.pid])
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None

    def ask(self, line):
        """The answer's rest after "ok"; None for any other, and for silence."""
        try:
            connection = Connection(self.socket)
        except ConnectionError:
            return None
        try:
            verdict, _, what = connection.ask(line).partition(" ")
        except Silent:
            return None
        finally:
            connection.close()
        return what if verdict == "ok" else None


class LogCluster:
    """Members on this machine's loopback; subclasses place them elsewhere."""

    def __init__(self, count=3, seed=None):
        self.seed = seed or int(os.environ.get("CLUSTER_TEST_SEED", 0)) or random.randrange(1, 1 << 32)
        self.random = random.Random(self.seed)
        print(f"\n  CLUSTER_TEST_SEED={self.seed}", flush=True)
        self.base = tempfile.mkdtemp(prefix="cluster-log-")
        self.members = {}
        self.place(count)

    def place(self, count):
        for number, port in enumerate(free_ports(count), 1):
            self.members[number] = Member(self, number, f"127.0.0.1:{port}")

    def start(self):
        for member in self.members.values():
            member.start()
        self.leader()
        return self

    def leader(self, seconds=20, among=None):
        """The member that leads the highest term, once that is one of those asked."""
        def look():
            best = None
            for member in among or self.members.values():
                words = (member.ask("leadership") if member.is_running() else None) or "0 0"
                term, leader = map(int, words.split())
                if leader == member.number and (best is None or term > best[0]):
                    best = (term, member)
            return best
        return until(look, seconds, "a leader")[1]

    def elections(self):
        """How many were ever held, by what the members say in their logs."""
        count = 0
        for member in self.members.values():
            with open(member.log, encoding="utf-8", errors="replace") as file:
                count += sum(line.startswith("prepares ") for line in file)
        return count

    def agreed_history(self, members=None, seconds=20):
        """Every write in the order of the log, once these members tell the same.

        What was on its way when the clients ended may still arrive between two questions.
        """
        asked = members or [m for m in self.members.values() if m.is_running()]
        told = {}

        def agree():
            for member in asked:
                told[member.number] = member.ask("history")
            return len(set(told.values())) == 1 and None not in told.values()
        try:
            until(agree, seconds, "the members tell the same history")
        except AssertionError as error:
            raise AssertionError(f"{error}; writes told: " + str(
                {n: text and len(text.split()) for n, text in told.items()})) from None
        return next(iter(told.values())).split()

    def show_logs(self):
        for member in self.members.values():
            if os.path.exists(member.log):
                with open(member.log, encoding="utf-8", errors="replace") as file:
                    print(f"--- member {member.number}", *file.read().splitlines()[-25:], sep="\n")

    def remove(self):
        for member in self.members.values():
            if member.is_running():
                member.signal(signal.SIGCONT)
            member.kill()
        shutil.rmtree(self.base, ignore_errors=True)


class LogTest(unittest.TestCase):
    """A cluster for each test; what its members said is shown when the test fails."""

    result = None
    cluster = None

    def run(self, result=None):
        self.result = result
        return super().run(result)

    def failures(self):
        return len(self.result.errors) + len(self.result.failures)

    def cluster_of(self, cluster):
        self.cluster = cluster
        before = self.failures()
        self.addCleanup(cluster.remove)
        self.addCleanup(lambda: self.failures() > before and cluster.show_logs())
        return cluster.start()
