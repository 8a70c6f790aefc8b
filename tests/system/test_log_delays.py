"""Members of a log that are far from each other: every message takes long, and some take longer."""
import asyncio
import threading
import unittest

from harness import free_ports
from log_cluster import Load, LogCluster, LogTest, Member


class Distance(threading.Thread):
    """Stands before each member: what comes in is passed on later, in order."""

    def __init__(self, ways, draw):
        super().__init__(daemon=True)
        self.ways = ways  # (where it listens, where it passes to): ports.
        self.draw = draw  # Of the next delay, in seconds.
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()

    def run(self):
        self.loop.run_until_complete(self.listen())
        self.ready.set()
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    async def listen(self):
        for near, far in self.ways:
            await asyncio.start_server(lambda r, w, to=far: self.join_ends(r, w, to), "127.0.0.1", near)

    async def join_ends(self, reader, writer, far):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", far)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.carry(reader, far_writer), self.carry(far_reader, writer))

    async def carry(self, reader, writer):
        under_way = asyncio.Queue()

        async def deliver():
            while True:
                due, part = await under_way.get()
                await asyncio.sleep(due - self.loop.time())  # what would have taken so long
                if not part:
                    break
                writer.write(part)
        delivering = asyncio.ensure_future(deliver())
        try:
            while part := await reader.read(1 << 16):
                under_way.put_nowait((self.loop.time() + self.draw(), part))
        except OSError:
            pass
        under_way.put_nowait((self.loop.time(), b""))
        await delivering
        writer.close()

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()


class DistantCluster(LogCluster):
    def place(self, count):
        known, real = free_ports(count), []
        while len(real) < count:
            real += [port for port in free_ports(1) if port not in known + real]
        self.distance = Distance(list(zip(known, real)), self.draw)
        for number in range(1, count + 1):
            self.members[number] = Member(self, number, f"127.0.0.1:{known[number - 1]}",
                                          listen=f"127.0.0.1:{real[number - 1]}")

    def draw(self):
        # Now and then what overtakes a heartbeat or two.
        return 0.3 if self.random.random() < 0.01 else self.random.uniform(0.01, 0.04)

    def start(self):
        self.distance.start()
        self.distance.ready.wait()
        return super().start()

    def remove(self):
        super().remove()
        self.distance.end()


class DelayTest(LogTest):
    def test_distant_members_go_on_through_the_death_of_their_leader(self):
        cluster = self.cluster_of(DistantCluster())
        with Load(cluster, clients=12) as load:
            for _ in range(2):
                load.wait_for_more(50)
                leader = cluster.leader()
                leader.kill()
                cluster.leader()
                load.wait_for_more(50)
                leader.start()
            load.wait_for_more(50)
        load.check()


if __name__ == "__main__":
    unittest.main(verbosity=2)
