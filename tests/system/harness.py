"""Real clusters for system tests: started by `cluster up`, harmed by signals, always removed.

Nothing here waits for time to pass: `until` polls a condition and fails at its deadline.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ.get("CLUSTER_PROGRAM", "")
# Sanitizers and a busy machine make everything slower, never wrong.
SLOWNESS = float(os.environ.get("CLUSTER_TEST_SLOWNESS", "1"))


def until(condition, seconds, what):
    """Polls until `condition()` gives something true, which it returns."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOWNESS:.0f} s: {what}")
        time.sleep(0.05)  # poll


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def processes_of(directory):
    """Living processes that work below `directory` or were started with a path in it."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            cwd = os.readlink(f"/proc/{name}/cwd")
            with open(f"/proc/{name}/cmdline", "rb") as file:
                arguments = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        paths = [cwd] + arguments
        if any(p == directory or p.startswith(directory + "/") for p in paths) and alive(name):
            found.append(int(name))
    return found


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    until(lambda: not any(alive(pid) for pid in pids), 10, f"{pids} dead")


def program(*arguments, timeout=60, check=False, **options):
    """Runs `cluster` to its end; output is text."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                          timeout=timeout * SLOWNESS, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"cluster {' '.join(arguments)}: exit {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done


def free_ports(count):
    """Ports nobody listens on, outside the ranges that the kernel and `cluster up` choose from."""
    ports = []
    while len(ports) < count:
        port = random.randrange(10_000, 20_000)
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


class Cluster:
    """One local cluster in a directory of its own."""

    def __init__(self, *up_arguments):
        self.base = tempfile.mkdtemp(prefix="cluster-system-")
        self.directory = self.base + "/c"
        self.up_arguments = up_arguments
        self.up()

    def up(self):
        try:
            return self("up", *self.up_arguments, timeout=100, check=True)
        except BaseException:
            self.show_logs()
            self.remove()
            raise

    def __call__(self, command, *arguments, **options):
        return program(command, "--dir", self.directory, *arguments, **options)

    def json(self, command, *arguments):
        return json.loads(self(command, "--json", *arguments, check=True).stdout)

    def daemons(self):
        """name -> what `up` recorded of it."""
        with open(self.directory + "/cluster.json", encoding="utf-8") as file:
            root = json.load(file)
        return {daemon["name"]: daemon for daemon in root["masters"] + root["agents"]}

    def start(self, name):
        """Starts one daemon again, as a child of this process."""
        with open(f"{self.directory}/log/{name}.log", "ab") as log:
            return subprocess.Popen([PROGRAM, *self.daemons()[name]["arguments"]], stdout=log,
                                    stderr=log, start_new_session=True)

    def kill(self, name):
        kill_all([self.daemons()[name]["pid"]])

    def leader(self, seconds=30):
        """The leading master's name, once there is one."""
        status = self.json("status", "--wait", f"{seconds * SLOWNESS:.0f}s")
        return f"master-{status['leader']}"

    def submit(self, text):
        path = f"{self.base}/job-{time.monotonic_ns()}.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return self("submit", path, check=True).stdout.strip()

    def job(self, job):
        return next(row for row in self.json("jobs") if row["id"] == job)

    def tasks(self, job):
        return self.json("tasks", "--job", job)

    def running(self, job):
        return [task for task in self.tasks(job) if task["state"] == "running"]

    def show_logs(self):
        folder = self.directory + "/log"
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            print(f"--- {name}", *lines[-15:], sep="\n")

    def remove(self):
        try:
            self("down", "--timeout", "10s", timeout=60)
        except subprocess.TimeoutExpired:
            pass
        kill_all(processes_of(self.directory))
        shutil.rmtree(self.base, ignore_errors=True)


class ClusterTest(unittest.TestCase):
    """Tests that share one cluster; subclasses say how it is started."""

    up = ("--masters", "1", "--agents", "1")

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(*cls.up)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.remove()

    def run(self, result=None):
        before = len(result.errors) + len(result.failures)
        super().run(result)
        if len(result.errors) + len(result.failures) > before and self.cluster is not None:
            self.cluster.show_logs()
