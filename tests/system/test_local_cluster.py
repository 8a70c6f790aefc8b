"""`up` and `down`: two clusters at once, twice up, kept directories, nothing left behind."""
import os
import unittest

from harness import Cluster, alive, kill_all, processes_of, program, until


class LocalClusterTest(unittest.TestCase):
    def start(self, *arguments):
        cluster = Cluster(*arguments)
        self.addCleanup(cluster.remove)
        return cluster

    def test_two_clusters_live_beside_each_other(self):
        one = self.start("--masters", "1", "--agents", "1", "--agent-cpus", "2")
        two = self.start("--masters", "1", "--agents", "1", "--agent-cpus", "2")
        self.assertEqual(one("run", "--name", "only-one", "--", "echo", "1").stdout, "1\n")
        self.assertEqual(two("run", "--name", "only-two", "--", "echo", "2").stdout, "2\n")
        self.assertEqual([j["name"] for j in one.json("jobs")], ["only-one"])
        self.assertEqual([j["name"] for j in two.json("jobs")], ["only-two"])
        one("down", check=True)
        self.assertEqual(two("run", "--", "true").returncode, 0)

    def test_a_cluster_without_tls_is_one_that_was_named_so(self):
        cluster = self.start("--masters", "1", "--agents", "1", "--agent-cpus", "2", "--insecure")
        self.assertEqual(cluster("run", "--", "echo", "plain").stdout, "plain\n")
        self.assertFalse(os.path.exists(cluster.directory + "/certs"))

    def test_down_leaves_no_process_and_no_file(self):
        cluster = self.start("--masters", "3", "--agents", "2", "--agent-cpus", "2")
        job = cluster.submit('kind = "service"\ninstances = 3\n'
                             'shell = "trap \'\' TERM; sleep 1000 & sleep 1000"\nkill_grace = "1s"\n')
        until(lambda: len(cluster.running(job)) == 3, 30, "the service runs")
        # One agent is gone before; its tasks have nobody but `down`.
        cluster.kill("agent-2")
        pids = processes_of(cluster.directory)
        self.assertGreaterEqual(len(pids), 3 + 1 + 3)
        done = cluster("down", check=True)
        self.assertEqual([pid for pid in pids if alive(pid)], [], done.stdout)
        self.assertEqual(processes_of(cluster.directory), [])
        self.assertFalse(os.path.exists(cluster.directory))
        self.assertIn("nothing to stop", cluster("down", check=True).stdout)

    def test_up_twice_and_after_a_death(self):
        cluster = self.start("--masters", "1", "--agents", "1", "--agent-cpus", "2")
        before = {name: d["pid"] for name, d in cluster.daemons().items()}
        done = cluster.up()
        self.assertIn("running already", done.stdout)
        self.assertEqual(done.stderr, "")
        done = cluster("up", "--masters", "3", "--agents", "1", "--agent-cpus", "1", check=True)
        self.assertIn("--masters, --agent-cpus cannot change it", done.stderr)
        self.assertIn("1 master and 1 agent", done.stderr)
        self.assertEqual({name: d["pid"] for name, d in cluster.daemons().items()}, before)
        cluster.kill("agent-1")
        self.assertIn("agent-1 is not running", cluster.up().stdout)
        self.assertEqual(cluster.daemons()["master-1"]["pid"], before["master-1"])
        self.assertEqual(cluster("run", "--", "true").returncode, 0)

    def test_a_kept_cluster_goes_on_as_the_same(self):
        cluster = self.start("--masters", "3", "--agents", "1", "--agent-cpus", "2", "--keep")
        self.assertEqual(cluster("run", "--name", "before", "--", "true").returncode, 0)
        agents = [a["id"] for a in cluster.json("agents")]
        uid = cluster.json("status")["cluster"]
        self.assertIn("is kept", cluster("down", check=True).stdout)
        self.assertEqual(processes_of(cluster.directory), [])
        cluster.up()
        self.assertEqual(cluster.json("status")["cluster"], uid)
        self.assertEqual([a["id"] for a in cluster.json("agents")], agents)
        self.assertEqual([j["name"] for j in cluster.json("jobs")], ["before"])
        # All of it dies at once, as in a power cut.
        kill_all(processes_of(cluster.directory))
        cluster.up()
        self.assertEqual([j["name"] for j in cluster.json("jobs")], ["before"])
        self.assertEqual(cluster("run", "--", "true").returncode, 0)

    def test_a_directory_with_other_things_is_left_alone(self):
        cluster = self.start("--masters", "1", "--agents", "0")
        other = cluster.base + "/mine"
        os.mkdir(other)
        with open(other + "/letter", "w", encoding="utf-8") as file:
            file.write("dear")
        done = program("up", "--dir", other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not empty", done.stderr)
        program("down", "--dir", other)
        self.assertTrue(os.path.exists(other + "/letter"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
