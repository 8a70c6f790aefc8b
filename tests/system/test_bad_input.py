"""Wrong use and hostile peers: one clear line, and nothing lost."""
import os
import random
import socket
import struct
import subprocess
import unittest

from harness import PROGRAM, ClusterTest, alive, free_ports, program, until


class UsageTest(unittest.TestCase):
    """What is wrong before any cluster is asked."""

    def refused(self, code, *arguments, says, **options):
        done = program(*arguments, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, lines[0])

    def test_wrong_flags_are_named(self):
        self.refused(2, "tasks", "--jsn", says=["--jsn", "cluster tasks --help"])
        self.refused(2, "frobnicate", says=["frobnicate", "no command"])
        self.refused(2, "taks", says="'tasks'")
        self.refused(2, "run", says="command")
        self.refused(2, "run", "--instances", "0", "--", "true", says="instances")
        self.refused(2, "run", "--env", "novalue", "--", "true", says="NAME=VALUE")
        self.refused(2, "up", "--agent-timeout", "soon", says=["soon", "duration"])
        self.refused(2, says="subcommand")

    def test_help_and_version(self):
        self.assertRegex(program("--version", check=True).stdout, r"^cluster \d+\.\d+\.\d+")
        commands = ["master", "agent", "up", "down", "run", "submit", "tasks", "agents", "masters",
                    "frameworks", "jobs", "logs", "kill", "status", "certs", "sim", "kv", "lock", "elect"]
        overview = program("--help", check=True).stdout
        for command in commands:
            self.assertIn(command, overview)
            self.assertIn("Example", program(command, "--help", check=True).stdout, command)

    def test_no_cluster_is_said_with_the_way_out(self):
        environment = {**os.environ, "CLUSTER_DIR": "/nonexistent/cluster"}
        environment.pop("CLUSTER_MASTERS", None)
        environment.pop("CLUSTER_CERTS", None)
        self.refused(1, "tasks", says=["no cluster", "cluster up", "--master"], env=environment)
        self.refused(2, "tasks", "--master", "here", says=["here", "HOST:PORT"])
        self.refused(1, "tasks", "--master", "127.0.0.1:1", "--timeout", "500ms", "--insecure",
                     says="no leading master answered")
        self.refused(2, "tasks", "--master", "127.0.0.1:1", env=environment,
                     says=["--certs", "CLUSTER_CERTS", "--insecure"])
        self.refused(2, "tasks", "--master", "127.0.0.1:1", "--certs", "/no/such",
                     says=["--certs", "/no/such/cert.pem"])
        self.refused(2, "tasks", "--master", "127.0.0.1:1", "--insecure", "--certs", "/no/such",
                     says="choose one")
        self.refused(2, "tasks", "--master", "127.0.0.1:1", "--cert", "/no/such", says=["--key", "--ca"])

    def test_a_master_checks_what_it_is_told(self):
        def master(*more, id="1", members="1=127.0.0.1:1", cluster="c0ffee"):
            return ("master", "--id", id, "--members", members, "--cluster-id", cluster, "--dir",
                    "/tmp/cluster-never-made", *more)

        self.refused(2, *master(id="4"), says=["4", "not among"])
        self.refused(2, *master(members="1=nowhere"), says="nowhere")
        self.refused(2, *master(members="1=127.0.0.1:1,1=127.0.0.1:2"), says="twice")
        self.refused(2, *master(cluster="xyz"), says="xyz")
        self.refused(2, *master(), says=["--certs", "cluster certs", "--insecure"])
        self.assertFalse(os.path.exists("/tmp/cluster-never-made"))

    def test_an_agent_checks_what_it_is_told(self):
        def agent(*more):
            return ("agent", "--dir", "/tmp/cluster-never-made", *more)

        self.refused(2, *agent("--masters", "x"), says="x")
        self.refused(2, *agent("--masters", "127.0.0.1:1", "--resources", "cpus:many"), says="many")
        self.refused(2, *agent("--masters", "127.0.0.1:1"), says=["--certs", "--insecure"])

    def test_job_files_are_refused_with_line_and_column(self):
        path = f"/tmp/cluster-job-{os.getpid()}.toml"
        self.addCleanup(lambda: os.path.exists(path) and os.remove(path))

        def job(text, says):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.refused(2, "submit", "--check", path, says=says)

        job('name = "a\n', says=f"{path}:1:")
        job('shell = "true"\ninstnces = 3\n', says=[":2:1:", "instnces", "instances"])
        job('shell = "true"\ncpus = "two"\n', says=":2:")
        job('command = "true"\n', says=[":1:", "list"])
        job('shell = "true"\ncommand = ["true"]\n', says="both")
        job('name = "x"\n', says="nothing to run")
        job('kind = "cron"\nshell = "true"\n', says=[":1:", "cron"])
        job('[[stage]]\nname = "a"\nshell = "true"\nafter = ["b"]\n', says=[":4:", '"b"'])
        job("", says=":1:1:")
        self.refused(2, "submit", "/no/such/file.toml", says="/no/such/file.toml")

    def test_the_examples_of_the_documentation_are_right(self):
        path = f"/tmp/cluster-example-{os.getpid()}.toml"
        self.addCleanup(lambda: os.path.exists(path) and os.remove(path))
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/jobfile.md")
        with open(page, encoding="utf-8") as file:
            examples = [part.split("```")[0] for part in file.read().split("```toml\n")[1:]]
        self.assertGreaterEqual(len(examples), 2)
        for example in examples:
            with open(path, "w", encoding="utf-8") as file:
                file.write(example)
            self.assertIn("is right", program("submit", "--check", path, check=True).stdout)


class HostileTest(ClusterTest):
    up = ("--masters", "1", "--agents", "1", "--agent-cpus", "2", "--agent-mem", "256", "--keep")

    def refused(self, *arguments, says, code=1):
        done = program(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        last = done.stderr.strip().splitlines()[-1]
        self.assertNotIn("check failed", done.stderr)
        for words in says:
            self.assertIn(words, last)

    def test_a_port_in_use(self):
        taken = self.cluster.daemons()["master-1"]["endpoint"]
        self.refused("master", "--id", "1", "--members", f"1={taken}", "--cluster-id", "1", "--dir",
                     self.cluster.base + "/other", "--insecure", says=[taken.rsplit(":", 1)[1], "another process listens"])

    def test_a_directory_of_another_cluster_or_member(self):
        other = self.cluster.base + "/foreign"
        here, there = (f"127.0.0.1:{port}" for port in free_ports(2))
        arguments = ["--members", f"1={here},2={there}", "--dir", other, "--insecure"]
        first = self.cluster.daemons()["master-1"]
        # Made for member 1 of cluster aa by a master that is stopped again at once.
        maker = subprocess.Popen([PROGRAM, "master", "--id", "1", "--cluster-id", "aa", *arguments],
                                 stderr=subprocess.DEVNULL)
        try:
            until(lambda: os.path.isdir(other) and os.listdir(other), 20, "the directory is made")
            until(lambda: program("masters", "--master", here, "--insecure", "--timeout",
                                  "300ms").returncode == 0,
                  20, "the master serves")
        finally:
            maker.terminate()
            maker.wait()
        self.refused("master", "--id", "1", "--cluster-id", "bb", *arguments, says=[other, "cluster"])
        self.refused("master", "--id", "2", "--cluster-id", "aa", *arguments, says=[other, "member"])
        self.assertTrue(alive(first["pid"]))

    def test_a_directory_in_use(self):
        agent = self.cluster.daemons()["agent-1"]
        arguments = list(agent["arguments"])
        arguments[arguments.index("--listen") + 1] = "127.0.0.1:0"
        self.refused(*arguments, says=["agent-1"])

    def test_names_that_mean_nothing(self):
        where = ("--dir", self.cluster.directory)
        self.refused("logs", *where, "nobody", says=["nobody"])
        self.refused("kill", *where, "nobody", says=["nobody"])

    def test_garbage_on_every_port_changes_nothing(self):
        before = {name: daemon["pid"] for name, daemon in self.cluster.daemons().items()}
        noise = random.Random(20260101)
        for daemon in self.cluster.daemons().values():
            host, port = daemon["endpoint"].rsplit(":", 1)
            for size in [0, 1, 7, 8, 64, 4096, 1 << 18]:
                self.throw(host, int(port), noise.randbytes(size))
            self.throw(host, int(port), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.throw(host, int(port), struct.pack("<I", 0xffffffff) * 64)
            self.throw(host, int(port), b"\0" * 65536)
        for name, pid in before.items():
            self.assertTrue(alive(pid), name)
        done = self.cluster("run", "--", "sh", "-c", "exit 9")
        self.assertEqual(done.returncode, 9, done.stderr)

    @staticmethod
    def throw(host, port, data):
        with socket.create_connection((host, port), timeout=10) as peer:
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(10)
                while peer.recv(65536):  # Until it closes.
                    pass
            except OSError:
                pass  # It may close while we write.


if __name__ == "__main__":
    unittest.main(verbosity=2)
