"""Twenty leaders die by kill -9 in one run, and no acknowledged task is lost or run twice."""
import collections
import statistics
import threading
import time
import unittest

from harness import ClusterTest, kill_all, until

KILLS = 20


class Submitter(threading.Thread):
    """Submits one small job after another; what was acknowledged is remembered."""

    def __init__(self, cluster, runs):
        super().__init__()
        self.cluster = cluster
        self.runs = runs
        self.acknowledged = []
        self.refused = []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            # A line per start of a task: what is launched twice shows.
            text = (f'name = "small"\ninstances = 2\ncpus = 0.01\nmem = 1\n'
                    f'shell = "echo $CLUSTER_JOB.$CLUSTER_INDEX.$CLUSTER_ATTEMPT >> {self.runs}"\n')
            try:
                self.acknowledged.append(self.cluster.submit(text))
            except AssertionError as error:
                self.refused.append(str(error))
            self.over.wait(0.15)


class FailoverTest(ClusterTest):
    up = ("--masters", "3", "--agents", "2", "--agent-cpus", "8", "--agent-mem", "4096",
          "--agent-timeout", "30s")

    def test_twenty_killed_leaders_lose_no_acknowledged_task(self):
        cluster = self.cluster
        service = cluster.submit('name = "stays"\nkind = "service"\ninstances = 2\n'
                                 'command = ["sleep", "100000"]\ncpus = 0.01\nmem = 1\n')
        first = until(lambda: len(cluster.running(service)) == 2 and cluster.running(service), 30,
                      "the service runs")
        runs = cluster.base + "/runs"
        submitter = Submitter(cluster, runs)
        submitter.start()
        times = []
        try:
            for _ in range(KILLS):
                leader = cluster.leader()
                pid = cluster.daemons()[leader]["pid"]
                killed = time.monotonic()
                kill_all([pid])
                successor = cluster.leader()
                times.append(time.monotonic() - killed)
                self.assertNotEqual(successor, leader)
                cluster.up()
        finally:
            submitter.over.set()
            submitter.join()
        print(f"\nfailover times (s): {' '.join(f'{t:.2f}' for t in times)}; "
              f"median {statistics.median(times):.2f}; {len(submitter.acknowledged)} jobs", flush=True)
        self.assertEqual(submitter.refused, [])
        self.assertGreaterEqual(len(submitter.acknowledged), KILLS)

        def open_jobs():
            states = {row["id"]: row["state"] for row in cluster.json("jobs")}
            return [job for job in submitter.acknowledged if states.get(job) != "succeeded"]

        until(lambda: not open_jobs(), 60, "every acknowledged job succeeds")
        with open(runs, encoding="utf-8") as file:
            ran = collections.Counter(file.read().split())
        expected = {f"{job}.{index}.1" for job in submitter.acknowledged for index in range(2)}
        self.assertEqual(set(ran), expected, "each task ran at its first attempt")
        self.assertEqual(set(ran.values()), {1}, "and once")
        # The agents never died, so the service is the one that was started.
        self.assertEqual({t["id"] for t in cluster.running(service)}, {t["id"] for t in first})
        until(self.masters_agree, 30, "all masters have applied the same state")

    def masters_agree(self):
        rows = self.cluster.json("masters")
        states = {(row["applied"], row["digest"]) for row in rows}
        return len(rows) == 3 and len(states) == 1 and (None, None) not in states


if __name__ == "__main__":
    unittest.main(verbosity=2)
