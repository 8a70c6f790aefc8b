"""What a disk can do to a member of a log: be full, fail at a sync, and give other bytes back."""
import os
import re
import shutil
import unittest

from harness import until
from log_cluster import Load, LogCluster, LogTest
from namespaces import command, run_in_namespaces

SYNC_FAULT = os.environ.get("CLUSTER_SYNC_FAULT", "")


def stands_still(member):
    """It takes part no more: what it is asked to write or read, it refuses."""
    return not member.is_running() or member.ask("history") is None


class DiskTest(LogTest):
    def test_a_member_whose_syncs_fail_stops_for_good_and_goes_on_when_started_on_a_sound_disk(self):
        cluster = LogCluster()
        fault = cluster.base + "/fault"
        for member in cluster.members.values():
            member.environment = {"LD_PRELOAD": SYNC_FAULT, "SYNC_FAULT": f"{fault}{member.number}",
                                  "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.cluster_of(cluster)
        with Load(cluster) as load:
            load.wait_for_more(50)
            leader = cluster.leader()
            with open(f"{fault}{leader.number}", "w", encoding="utf-8"):
                pass
            successor = cluster.leader(
                among=[m for m in cluster.members.values() if m is not leader])
            self.assertIsNot(successor, leader)
            load.wait_for_more(100)
            # That later syncs succeed again says nothing of what the failed one has lost.
            os.unlink(f"{fault}{leader.number}")
            load.wait_for_more(50)
            self.assertTrue(stands_still(leader), "a failed sync is never tried again")
            leader.kill()
            leader.start()
            load.wait_for_more(50)
        load.check()

    def test_a_member_whose_disk_is_full_stops_and_catches_up_once_there_is_room(self):
        cluster = LogCluster()
        small = cluster.base + "/small"
        os.mkdir(small)
        command("mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", small)
        self.addCleanup(shutil.rmtree, cluster.base)  # Its own removal leaves the mount.
        self.addCleanup(command, "umount", small)
        victim = cluster.members[cluster.random.randrange(1, 4)]
        victim.directory = small + "/store"
        for member in cluster.members.values():
            member.arguments = ["padding", str(64 << 10)]  # What is reserved ahead fills up soon.
        self.cluster_of(cluster)
        with Load(cluster) as load:
            load.wait_for_more(50)
            with open(small + "/ballast", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(1 << 12))
                except OSError:
                    pass
            until(lambda: stands_still(victim), 30, "the member with the full disk has stopped")
            load.wait_for_more(100)  # The others go on.
            os.unlink(small + "/ballast")
            victim.kill()
            victim.start()
            load.wait_for_more(50)
        load.check()

    def test_a_member_with_flipped_bytes_never_answers_with_them(self):
        cluster = self.cluster_of(LogCluster())
        victim = cluster.members[cluster.random.randrange(1, 4)]
        others = [m for m in cluster.members.values() if m is not victim]
        outcomes = []
        with Load(cluster) as load:
            load.wait_for_more(200)
        for count in (1, 1, 3, 10, 100):
            victim.kill()
            self.flip(victim.directory, count)
            victim.launch()
            if victim.process.stdout.readline() != b"ready\n":
                outcomes.append(f"{count} flipped: refuses: {victim.last_words(1)}")
                self.assertIn("corrupt", victim.last_words(1))
                break
            outcomes.append(f"{count} flipped: starts")
            # Whatever it tells is what the others tell.
            told = victim.ask("history")
            self.assertIn(told, (None, others[0].ask("history")))
        print("  " + "\n  ".join(outcomes), flush=True)
        load.check(others)

    def test_a_copy_of_a_members_directory_is_not_that_member(self):
        cluster = self.cluster_of(LogCluster())
        with Load(cluster) as load:
            load.wait_for_more(50)
            victim = cluster.members[cluster.random.randrange(1, 4)]
            victim.kill()
            copy = victim.directory + "-copy"
            shutil.copytree(victim.directory, copy)
            original, victim.directory = victim.directory, copy
            victim.launch()
            self.assertNotEqual(victim.process.stdout.readline(), b"ready\n")
            self.assertIn("is a copy of the directory of member", victim.last_words(1))
            victim.kill()
            victim.directory = original
            victim.start()
            load.wait_for_more(50)
        load.check()

    def flip(self, directory, count):
        """Changes so many bytes where there is something."""
        files = [os.path.join(folder, name) for folder, _, names in os.walk(directory)
                 for name in names]
        places = []
        for path in files:
            with open(path, "rb") as file:
                places += [(path, match.start()) for match in re.finditer(rb"[^\0]", file.read())]
        for path, at in self.cluster.random.sample(places, count):
            with open(path, "r+b") as file:
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ (1 << self.cluster.random.randrange(8))]))


if __name__ == "__main__":
    run_in_namespaces()
