"""`cluster run` and what operators see of it."""
import os
import signal
import subprocess
import unittest

from harness import PROGRAM, SLOWNESS, ClusterTest, until


class RunTest(ClusterTest):
    up = ("--masters", "1", "--agents", "2", "--agent-cpus", "4", "--agent-mem", "2048")

    def test_the_exit_code_is_the_tasks(self):
        self.assertEqual(self.cluster("run", "--", "sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(self.cluster("run", "--", "true").returncode, 0)
        self.assertEqual(self.cluster("run", "--", "sh", "-c", "kill -9 $$").returncode, 137)

    def test_both_streams_arrive_whole_and_apart(self):
        script = "seq 1 20000; echo wrong >&2; echo $COLOUR $CLUSTER_INDEX/$CLUSTER_INSTANCES"
        done = self.cluster("run", "-e", "COLOUR=blue", "--", "sh", "-c", script)
        numbers = "".join(f"{n}\n" for n in range(1, 20001))
        self.assertEqual(done.stdout, numbers + "blue 0/1\n")
        self.assertEqual(done.stderr, "wrong\n")
        self.assertEqual(done.returncode, 0)

    def test_fifty_instances_finish_each_with_its_index(self):
        done = self.cluster("run", "--instances", "50", "--", "sh", "-c", "echo I am $CLUSTER_INDEX",
                            timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(done.stdout.splitlines()),
                         sorted(f"[{n}] I am {n}" for n in range(50)))

    def test_of_several_instances_the_first_code_that_is_not_zero_counts(self):
        script = "test $CLUSTER_INDEX -lt 2 || exit $((CLUSTER_INDEX + 10))"
        done = self.cluster("run", "-n", "3", "--", "sh", "-c", script)
        self.assertEqual(done.returncode, 12, done.stderr)

    def test_tasks_killed_because_another_failed_do_not_decide_the_code(self):
        script = "test $CLUSTER_INDEX -eq 2 && exit 12; exec sleep 100"
        done = self.cluster("run", "-n", "3", "--", "sh", "-c", script)
        self.assertEqual(done.returncode, 12, done.stderr)

    def test_a_failing_instance_is_tried_again(self):
        script = "test $CLUSTER_ATTEMPT -eq 3"
        self.assertEqual(self.cluster("run", "--attempts", "3", "--", "sh", "-c", script).returncode,
                         0)

    def test_a_program_that_is_not_there_is_said_to_be_so(self):
        done = self.cluster("run", "--", "/no/such/program")
        self.assertNotEqual(done.returncode, 0)
        failed = [t for t in self.cluster.json("tasks") if t["name"] == "program"]
        self.assertTrue(failed and "/no/such/program" in failed[0]["why"], failed)

    def test_what_fits_nowhere_waits_says_why_and_is_stopped_by_ctrl_c(self):
        run = subprocess.Popen([PROGRAM, "run", "--dir", self.cluster.directory, "--cpus", "64",
                                "--name", "huge", "--", "true"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            line = run.stderr.readline()
            self.assertIn("waiting: ", line)
            self.assertIn("cpus", line)
            waiting = [t for t in self.cluster.json("tasks", "--open") if t["state"] == "waiting"]
            self.assertEqual(len(waiting), 1)
            self.assertIn("cpus", waiting[0]["why"])
            run.send_signal(signal.SIGINT)
            _, rest = run.communicate(timeout=30 * SLOWNESS)
            self.assertEqual(run.returncode, 130, rest)
        finally:
            run.kill()
            run.communicate()
        until(lambda: not self.cluster.json("tasks", "--open"), 20, "no task waits any more")

    def test_ctrl_c_ends_running_tasks(self):
        run = subprocess.Popen([PROGRAM, "run", "--dir", self.cluster.directory, "--", "sh", "-c",
                                "echo started; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(run.stdout.readline(), "started\n")
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=30 * SLOWNESS)
            self.assertEqual(run.returncode, 130)
        finally:
            run.kill()
            run.communicate()
        until(lambda: not self.cluster.json("tasks", "--open"), 20, "no task is left")

    def test_a_job_whose_output_nobody_reads_any_more_is_stopped(self):
        run = subprocess.Popen([PROGRAM, "run", "--dir", self.cluster.directory, "--", "sh", "-c",
                                "while :; do head -c 100000 /dev/zero | tr '\\0' '\\n'; sleep 0.05; done"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        try:
            self.assertEqual(run.stdout.readline(), b"\n")
            run.stdout.close()
            self.assertEqual(run.wait(timeout=30 * SLOWNESS), 128 + signal.SIGPIPE)
        finally:
            run.kill()
            run.wait()
            run.stderr.close()
        until(lambda: not self.cluster.json("tasks", "--open"), 20, "no task is left")

    def test_a_service_is_listed_followed_and_killed(self):
        job = self.cluster.submit('name = "ticks"\nkind = "service"\ninstances = 2\n'
                                  'shell = "while true; do echo tick; sleep 0.1; done"\n')
        running = until(lambda: len(self.cluster.running(job)) == 2 and self.cluster.running(job),
                        30, "two instances run")
        logs = subprocess.Popen([PROGRAM, "logs", "-f", "--dir", self.cluster.directory,
                                 running[0]["id"]], stdout=subprocess.PIPE, text=True)
        try:
            for _ in range(3):
                self.assertEqual(logs.stdout.readline(), "tick\n")
            # One task that is killed is started again, as another attempt.
            self.cluster("kill", running[0]["id"], check=True)
            logs.communicate(timeout=30 * SLOWNESS)
            self.assertEqual(logs.returncode, 0)
        finally:
            logs.kill()
            logs.communicate()
        until(lambda: {t["id"] for t in self.cluster.running(job)} - {t["id"] for t in running},
              30, "another attempt runs")
        self.cluster("kill", "--wait", job, check=True)
        self.assertEqual(self.cluster.job(job)["state"], "stopped")
        self.assertEqual(self.cluster.running(job), [])

    def test_stages_run_in_order(self):
        out = self.cluster.base + "/order"
        job = self.cluster.submit(f'''
            name = "stages"
            [[stage]]
            name = "last"
            after = ["first"]
            shell = "echo last >> {out}"
            [[stage]]
            name = "first"
            [[stage.task]]
            shell = "echo first >> {out}"
            [[stage.task]]
            command = ["sh", "-c", "echo first >> {out}"]
        ''')
        until(lambda: self.cluster.job(job)["state"] == "succeeded", 30, "the job succeeds")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(file.read().split(), ["first", "first", "last"])

    def test_lists_are_tables_and_json(self):
        for command in ("tasks", "agents", "masters", "frameworks", "jobs"):
            table = self.cluster(command, check=True).stdout
            self.assertRegex(table.splitlines()[0], r"^[A-Z]")
            self.assertIsInstance(self.cluster.json(command), list)
        agents = self.cluster.json("agents")
        self.assertEqual([a["state"] for a in agents], ["registered"] * 2)
        self.assertTrue(all(a["isolation"] for a in agents), "what limits tasks is said")
        self.assertEqual([m["role"] for m in self.cluster.json("masters")], ["leader"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
