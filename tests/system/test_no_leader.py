"""What operators are told while nobody leads: an election under way, or too few masters."""
import unittest

from harness import Cluster


class NoLeaderTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("--masters", "3", "--agents", "0")
        self.addCleanup(self.cluster.remove)

    def test_status_waits_for_an_election_and_says_when_too_few_are_left(self):
        cluster = self.cluster
        first = cluster.leader()
        cluster.kill(first)
        done = cluster("status")  # No --wait: a majority is there, so a leader will be.
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 of 3 answer", done.stdout)

        second = cluster.leader()
        self.assertNotEqual(second, first)
        cluster.kill(second)
        done = cluster("status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 of 3 masters answers, and 2 are needed", done.stderr)

        # Others wait, and do not do so in silence.
        done = cluster("jobs", "--timeout", "2s")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("waiting for a master that leads"), 1, done.stderr)
        self.assertIn("no leading master answered", done.stderr)

        # `masters` needs no leader.
        states = sorted(row["role"] for row in cluster.json("masters"))
        self.assertEqual(states, ["follower", "silent", "silent"])


if __name__ == "__main__":
    unittest.main()
