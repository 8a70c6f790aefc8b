"""Tests in namespaces of their own: networks and mounts that nobody else sees and that leave no trace.

A test file calls `run_in_namespaces(...)` in place of `unittest.main`: it starts itself again inside
them. Where the machine does not permit that, every test of the file is skipped, and says why.
"""
import os
import subprocess
import sys
import unittest

from log_cluster import LogCluster, Member

INSIDE = "CLUSTER_TEST_NAMESPACES"
PORT = 7000


def command(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")


def why_not(*kinds):
    """What keeps this machine from making such namespaces; empty when nothing does."""
    try:
        tried = subprocess.run(["unshare", *kinds, "--propagation", "private", "mount", "-t", "tmpfs",
                                "tmpfs", "/mnt"], capture_output=True, text=True, check=False)
        if tried.returncode == 0 and "--net" in kinds:
            subprocess.run(["ip", "-V"], capture_output=True, check=True)
    except OSError as error:
        return str(error)
    return "" if tried.returncode == 0 else tried.stderr.strip() or f"exit {tried.returncode}"


def run_in_namespaces(*kinds):
    """`kinds`: of `unshare`; "--mount" always."""
    if os.environ.get(INSIDE):
        if "--net" in kinds:
            command("mount", "-t", "tmpfs", "tmpfs", "/run")  # `ip netns` keeps its names there.
        unittest.main(verbosity=2)
    reason = why_not("--mount", *kinds)
    if reason:
        reason = f"this machine makes no namespaces ({' '.join(kinds)} --mount): {reason}"
        print(f"skipped: {reason}", flush=True)
        for value in vars(sys.modules["__main__"]).values():
            if isinstance(value, type) and issubclass(value, unittest.TestCase):
                value.__unittest_skip__, value.__unittest_skip_why__ = True, reason
        unittest.main(verbosity=2)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", *kinds, "--propagation", "private", sys.executable,
                          *sys.argv])


def mac(number):
    return f"02:00:00:00:00:{number:02x}"


def address(number):
    return f"10.77.0.{number}"


class Networks:
    """Hosts 1 to `count` on one bridge, each a namespace of the network.

    What a host sends to another is lost from `cut` on: its neighbour then has an address that nobody
    answers to. So a cut is of one way, silent, and harms connections that stand.
    """

    def __init__(self, count):
        self.count = count
        command("ip", "link", "set", "lo", "up")
        command("ip", "link", "add", "bridge0", "type", "bridge")
        command("ip", "link", "set", "bridge0", "up")
        for host in range(1, count + 1):
            name = f"h{host}"
            command("ip", "netns", "add", name)
            command("ip", "link", "add", f"v{host}", "type", "veth", "peer", "name", "eth0", "address",
                    mac(host), "netns", name)
            command("ip", "link", "set", f"v{host}", "master", "bridge0", "up")
            command("ip", "-n", name, "address", "add", f"{address(host)}/24", "dev", "eth0")
            command("ip", "-n", name, "link", "set", "lo", "up")
            command("ip", "-n", name, "link", "set", "eth0", "up")
        self.heal()

    def point(self, sender, receiver, at):
        command("ip", "-n", f"h{sender}", "neigh", "replace", address(receiver), "lladdr", at, "dev",
                "eth0", "nud", "permanent")

    def cut(self, sender, receiver):
        self.point(sender, receiver, mac(254))

    def cut_both(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def part(self, some):
        """Nothing goes between these hosts and the others."""
        for one in some:
            for other in set(range(1, self.count + 1)) - set(some):
                self.cut_both(one, other)

    def heal(self):
        hosts = range(1, self.count + 1)
        for sender in hosts:
            for receiver in hosts:
                if sender != receiver:
                    self.point(sender, receiver, mac(receiver))

    def remove(self):
        for host in range(1, self.count + 1):
            command("ip", "link", "delete", f"v{host}")  # The namespace itself goes at its leisure.
            command("ip", "netns", "delete", f"h{host}")
        command("ip", "link", "delete", "bridge0")


class NamespacedCluster(LogCluster):
    """Each member on a host of its own."""

    def place(self, count):
        self.networks = Networks(count)
        for number in range(1, count + 1):
            self.members[number] = Member(self, number, f"{address(number)}:{PORT}",
                                          prefix=("nsenter", f"--net=/run/netns/h{number}"))

    def remove(self):
        super().remove()
        self.networks.remove()
