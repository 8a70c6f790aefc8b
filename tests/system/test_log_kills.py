"""Members of a log die by kill -9 and stand still by SIGSTOP, again and again, while clients ask."""
import select
import signal
import time
import unittest

from log_cluster import Load, LogCluster, LogTest

SECONDS = 6


class KillTest(LogTest):
    def test_killed_leaders_lose_no_acknowledged_write(self):
        cluster = self.cluster_of(LogCluster())
        kills = 0
        with Load(cluster) as load:
            over = time.monotonic() + SECONDS
            while time.monotonic() < over or kills < 3:
                leader = cluster.leader()
                load.wait_for_more(50)
                leader.kill()
                kills += 1
                load.wait_for_more(50)  # The other two go on.
                leader.start()
        print(f"  {kills} leaders killed", flush=True)
        load.check()

    def test_members_killed_at_any_moment_lose_no_acknowledged_write(self):
        cluster = self.cluster_of(LogCluster())
        kills = 0
        with Load(cluster) as load:
            over = time.monotonic() + SECONDS
            while time.monotonic() < over:
                # At times all of them at once, and started in any order.
                victims = cluster.random.sample(sorted(cluster.members), cluster.random.choice((1, 1, 2, 3)))
                for number in victims:
                    cluster.members[number].kill()
                kills += len(victims)
                for number in victims:
                    cluster.members[number].start()
                load.wait_for_more(cluster.random.randrange(1, 60))
        print(f"  {kills} members killed", flush=True)
        load.check()

    def test_a_member_that_dies_again_while_it_recovers_loses_nothing(self):
        cluster = self.cluster_of(LogCluster())
        with Load(cluster) as load:
            victim = cluster.members[cluster.random.randrange(1, 4)]
            for _ in range(12):
                victim.kill()
                victim.launch()
                # Until it serves or a random moment before.
                select.select([victim.process.stdout], [], [], cluster.random.uniform(0, 0.1))
            victim.kill()
            victim.start()
            load.wait_for_more(100)
        load.check()


class PauseTest(LogTest):
    def test_a_leader_that_stands_still_is_replaced_and_fenced(self):
        cluster = self.cluster_of(LogCluster())
        pauses = 0
        with Load(cluster) as load:
            over = time.monotonic() + SECONDS
            while time.monotonic() < over or pauses < 2:
                leader = cluster.leader()
                load.wait_for_more(50)
                leader.signal(signal.SIGSTOP)
                others = [m for m in cluster.members.values() if m is not leader]
                successor = cluster.leader(among=others)
                self.assertIsNot(successor, leader)
                load.wait_for_more(50)
                leader.signal(signal.SIGCONT)  # It goes on where it was, in a term that is over.
                pauses += 1
        print(f"  {pauses} leaders paused", flush=True)
        load.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
