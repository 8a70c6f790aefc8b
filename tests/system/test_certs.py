"""TLS as its users meet it: `certs`, a cluster by hand with certificates, and who is turned away."""
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import unittest

from harness import PROGRAM, ClusterTest, free_ports, kill_all, program, until


class CertsTest(unittest.TestCase):
    """The files."""

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="cluster-system-")
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        self.certs = self.base + "/certs"
        program("certs", "init", self.certs, check=True)

    def refused(self, *arguments, says):
        done = program(*arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for words in says:
            self.assertIn(words, done.stderr)

    def read(self, name):
        with open(self.certs + name, encoding="ascii") as file:
            return file.read()

    def test_keys_are_their_owners_and_nothing_is_overwritten(self):
        program("certs", "member", self.certs, "--id", "1", "--host", "10.0.0.1", check=True)
        for key in ("ca.key", "member-1/key.pem"):
            mode = stat.S_IMODE(os.stat(f"{self.certs}/{key}").st_mode)
            self.assertEqual(mode, 0o600, key)
        before = self.read("/ca.key")
        self.refused("certs", "init", self.certs, says=["ca.pem", "already"])
        self.refused("certs", "member", self.certs, "--id", "1", says=["member-1", "already"])
        self.assertEqual(self.read("/ca.key"), before)

    def test_a_certificate_says_for_whom_it_is(self):
        program("certs", "agent", self.certs, "--name", "web-1", "--host", "10.0.0.9", "--host",
                "web-1.example.com", check=True)
        shown = program("certs", "show", self.certs + "/agent-web-1", check=True).stdout
        self.assertIn("cluster:agent:web-1, 10.0.0.9, web-1.example.com", shown)
        self.assertIn("(an authority)", program("certs", "show", self.certs, check=True).stdout)

    def test_what_makes_no_sense_is_refused(self):
        self.refused("certs", "agent", self.certs, "--name", "a", says=["--host"])
        self.refused("certs", "agent", self.certs, "--name", "a", "--host", "a:1",
                     says=["without a port"])
        self.refused("certs", "client", self.certs, "--name", "a/b", says=["a/b"])
        self.refused("certs", "client", self.base, "--name", "a", says=["cluster certs init"])
        self.refused("certs", "show", self.base + "/nothing", says=["nothing"])
        self.assertEqual(sorted(os.listdir(self.certs)), ["ca.key", "ca.pem"])

    def test_a_cluster_by_hand(self):
        for more in (["member", "--id", "1"], ["agent", "--name", "a", "--host", "127.0.0.1"],
                     ["client", "--name", "me"]):
            program("certs", more[0], self.certs, *more[1:], check=True)
        (port,) = free_ports(1)
        master = f"127.0.0.1:{port}"
        daemons = []
        self.addCleanup(lambda: kill_all([d.pid for d in daemons if d.poll() is None]))

        def start(*arguments):
            daemons.append(subprocess.Popen([PROGRAM, *arguments], stderr=subprocess.DEVNULL))

        start("master", "--id", "1", "--members", f"1={master}", "--cluster-id", "c0ffee", "--dir",
              self.base + "/m", "--certs", self.certs + "/member-1")
        start("agent", "--masters", master, "--dir", self.base + "/a", "--resources",
              "cpus:2;mem:512", "--certs", self.certs + "/agent-a")
        environment = {**os.environ, "CLUSTER_MASTERS": master,
                       "CLUSTER_CERTS": self.certs + "/client-me"}
        done = program("run", "--timeout", "30s", "--", "echo", "by hand", env=environment)
        self.assertEqual(done.stdout, "by hand\n", done.stderr)

        program("certs", "init", self.base + "/other", check=True)
        program("certs", "client", self.base + "/other", "--name", "me", check=True)
        self.refused_by(master, "--certs", self.base + "/other/client-me",
                        says="an authority that we do not know")
        self.refused_by(master, "--insecure", says="it speaks TLS")
        for daemon in daemons[::-1]:
            daemon.terminate()
            daemon.wait(20)

    def refused_by(self, master, *arguments, says):
        done = program("tasks", "--master", master, "--timeout", "1s", *arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(says, done.stderr)


class UpTest(ClusterTest):
    """`cluster up` speaks TLS without being told."""

    def test_masters_and_agents_answer_plain_text_with_an_alert(self):
        for daemon in self.cluster.daemons().values():
            host, port = daemon["endpoint"].rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=10) as peer:
                peer.sendall(b"CLU1\x04\x01\x00\x00")
                self.assertEqual(peer.recv(7)[:1], b"\x15", daemon["name"])

    def test_who_names_the_masters_names_the_certificates(self):
        master = self.cluster.daemons()["master-1"]["endpoint"]
        client = self.cluster.directory + "/certs/client-local"
        done = program("run", "--master", master, "--certs", client, "--", "echo", "named")
        self.assertEqual(done.stdout, "named\n", done.stderr)
        files = [f"--cert={client}/cert.pem", f"--key={client}/key.pem", f"--ca={client}/ca.pem"]
        self.assertEqual(program("status", "--master", master, *files).returncode, 0)
        done = program("tasks", "--master", master, "--insecure", "--timeout", "1s")
        self.assertEqual(done.returncode, 1)
        self.assertIn("it speaks TLS", done.stderr)

    def test_up_prints_how_to_name_it(self):
        self.cluster.kill("agent-1")
        self.assertIn("/certs/client-local", self.cluster.up().stdout)


if __name__ == "__main__":
    unittest.main()
