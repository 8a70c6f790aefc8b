"""Agents die, with their tasks and without."""
import subprocess
import unittest

from harness import PROGRAM, SLOWNESS, ClusterTest, kill_all, processes_of, until


class AgentTest(ClusterTest):
    up = ("--masters", "1", "--agents", "2", "--agent-cpus", "4", "--agent-mem", "2048",
          "--agent-timeout", "3s")

    def agent_of(self, task):
        return next(name for name, daemon in self.cluster.daemons().items()
                    if daemon["endpoint"] == task["agent_endpoint"])

    def one_running(self, job):
        return until(lambda: self.cluster.running(job), 30, "the task runs")[0]

    def test_metrics_of_every_process_are_told_as_prometheus_reads_them(self):
        text = self.cluster("metrics", check=True).stdout
        self.assertIn('\ncluster_log_failed{process="master-1"} 0\n', text)
        self.assertRegex(text, r'\ncluster_net_\w+\{process="master-1"\} \d')
        ids = [agent["id"] for agent in self.cluster.json("agents")]
        self.assertEqual(len(ids), 2)
        for agent in ids:
            self.assertIn(f'\ncluster_agent_questions_total{{process="agent-{agent}"}} ', text)
        lines = text.splitlines()
        types = [line for line in lines if line.startswith("# TYPE ")]
        self.assertEqual(len(types), len(set(types)))
        self.assertEqual([line for line in lines if not line], [])

    def test_a_restarted_agent_finds_its_tasks_and_their_ends(self):
        go, gone = self.cluster.base + "/go", self.cluster.base + "/gone"
        long = self.cluster.submit(
            f'name = "long"\nshell = "echo begun; until test -e {go}; do sleep 0.05; done; '
            f'echo ended; exit 3"\n')
        short = self.cluster.submit(
            f'name = "short"\nshell = "until test -e {gone}; do sleep 0.05; done; exit 4"\n')
        task, other = self.one_running(long), self.one_running(short)
        logs = subprocess.Popen([PROGRAM, "logs", "-f", "--dir", self.cluster.directory, task["id"]],
                                stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(logs.stdout.readline(), "begun\n")
            names = {self.agent_of(task), self.agent_of(other)}
            for name in names:
                self.cluster.kill(name)
            open(gone, "w").close()  # The short task ends while no agent looks.
            self.cluster.up()
            until(lambda: self.cluster.job(short)["state"] == "failed", 30, "its end is heard of")
            self.assertEqual(self.cluster.tasks(short)[-1]["exit"], 4)
            self.assertEqual([t["id"] for t in self.cluster.running(long)], [task["id"]])
            open(go, "w").close()
            until(lambda: self.cluster.job(long)["state"] == "failed", 30, "the long task ends")
            ended = [t for t in self.cluster.tasks(long) if t["id"] == task["id"]][0]
            self.assertEqual((ended["state"], ended["exit"]), ("failed", 3))
            # Whoever followed the output went on following it across the restart.
            rest, _ = logs.communicate(timeout=30 * SLOWNESS)
            self.assertEqual((rest, logs.returncode), ("ended\n", 0))
        finally:
            logs.kill()
            logs.communicate()

    def test_tasks_of_an_agent_that_died_with_them_run_elsewhere(self):
        starts, go = self.cluster.base + "/starts", self.cluster.base + "/finish"
        batch = self.cluster.submit(
            f'name = "batch"\ninstances = 4\nshell = "echo $CLUSTER_INDEX.$CLUSTER_ATTEMPT >> '
            f'{starts}; until test -e {go}; do sleep 0.05; done"\n')
        service = self.cluster.submit(
            'name = "service"\nkind = "service"\ninstances = 4\ncommand = ["sleep", "100000"]\n')
        before = until(lambda: len(self.cluster.running(batch)) == 4
                       and len(self.cluster.running(service)) == 4
                       and self.cluster.running(batch) + self.cluster.running(service), 30,
                       "all tasks run")
        dead = self.agent_of(before[0])
        lost = [t for t in before if self.agent_of(t) == dead]
        kill_all([self.cluster.daemons()[dead]["pid"]])
        kill_all(processes_of(f"{self.cluster.directory}/{dead}"))

        def all_elsewhere():
            now = self.cluster.running(batch) + self.cluster.running(service)
            return len(now) == 8 and all(self.agent_of(t) != dead for t in now) and now

        now = until(all_elsewhere, 40, "what was lost runs elsewhere")
        # What ran elsewhere from the start was left alone.
        spared = {t["id"] for t in before} - {t["id"] for t in lost}
        self.assertLessEqual(spared, {t["id"] for t in now})
        states = {t["id"]: (t["state"], t["reason"]) for t in self.cluster.json("tasks")}
        for task in lost:
            self.assertEqual(states[task["id"]], ("lost", "agent_lost"))
        self.assertEqual(self.cluster.job(batch)["losses"],
                         len([t for t in lost if t["job"] == batch]))
        open(go, "w").close()
        until(lambda: self.cluster.job(batch)["state"] == "succeeded", 30, "the batch succeeds")
        # The agent comes back as the same one, with room for more.
        self.cluster.up()
        until(lambda: all(a["state"] == "registered" for a in self.cluster.json("agents")), 30,
              "both agents are registered")
        self.cluster("kill", "--wait", service, check=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
