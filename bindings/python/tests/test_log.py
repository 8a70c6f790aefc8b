"""The log and state machines written in Python."""
import asyncio
import multiprocessing

import pytest

import cluster
from conftest import PATIENCE, free_port


def test_entries_are_read_and_followed_in_order(run, alone):
    async def body(runtime):
        log = await cluster.Log.open(runtime, **alone)
        positions = await asyncio.gather(*(log.append(f"{i}".encode()) for i in range(300)))
        assert sorted(positions) == positions
        more = await log.append_all([b"a", b"", b"c"])
        assert more[0] > positions[-1] and len(more) == 3

        followed = []
        async for entry in log.follow():
            followed.append(entry)
            if len(followed) == 303:
                break
        assert [entry.data for entry in followed] == \
            [f"{i}".encode() for i in range(300)] + [b"a", b"", b"c"]
        first, end = await log.catch_up()
        read = await log.read(first, end, bytes_max=16 << 20)
        assert read == followed
        assert "cluster_log_appends_total" in log.metrics()
        status = log.status()
        assert status.is_leader and status.is_ready and status.end == end

    run(body)


def test_who_follows_gets_what_comes_later(run, alone):
    async def body(runtime):
        log = await cluster.Log.open(runtime, **alone)

        async def first_three():
            found = []
            async for entry in log.follow():
                found.append(entry.data)
                if len(found) == 3:
                    return found

        task = asyncio.create_task(first_three())
        for data in (b"x", b"y", b"z"):
            await log.append(data)
        assert await task == [b"x", b"y", b"z"]

    run(body)


class Words(cluster.StateMachine):
    def __init__(self):
        self.words = []

    def apply(self, entries):
        self.words += [entry.data for entry in entries]

    def snapshot(self):
        return b"\n".join(self.words)

    def restore(self, snapshot):
        self.words = snapshot.split(b"\n")


def test_a_state_machine_is_restored_and_goes_on(run, alone):
    async def body(runtime):
        machine = Words()
        async with await cluster.Log.open(runtime, machine=machine, **alone) as log:
            for i in range(50):
                await log.append(b"word%d" % i)
            await log.read_barrier()
            assert len(machine.words) == 50
            await log.take_snapshot()
            await log.append(b"last")
        again = Words()
        log = await cluster.Log.open(runtime, machine=again, **alone)
        await log.read_barrier()
        assert again.words == [b"word%d" % i for i in range(50)] + [b"last"]

    run(body)


def test_a_state_machine_that_fails_stops_its_replica(run, alone):
    class Broken(Words):
        def apply(self, entries):
            raise RuntimeError("it does not understand")

    async def body(runtime):
        reported = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: reported.append(context["exception"]))
        log = await cluster.Log.open(runtime, machine=Broken(), **alone)
        with pytest.raises((cluster.ClusterError, RuntimeError)):  # What is open ends with the log,
            await log.append(b"x")
            await log.read_barrier()
        with pytest.raises(RuntimeError):  # and what comes later says why.
            await log.append(b"y")
        assert isinstance(reported[0], RuntimeError)

    run(body)


def test_three_members_go_on_without_one(run, tmp_path):
    async def body(runtime):
        members = {number: f"127.0.0.1:{free_port()}" for number in (1, 2, 3)}
        logs = {number: await cluster.Log.open(runtime, str(tmp_path / str(number)), cluster=7,
                                               self_id=number, members=members)
                for number in members}
        await logs[2].append(b"before", timeout=PATIENCE)
        leader = logs[2].status().leader
        await logs.pop(leader).close()
        rest = next(iter(logs.values()))
        for _ in range(5):  # Its election may outlast one call on a busy machine.
            try:
                await rest.append(b"after", timeout=PATIENCE)
                break
            except (cluster.NoLeader, cluster.TimedOut):
                pass
        _, end = await rest.catch_up(timeout=PATIENCE)
        data = [entry.data for entry in await rest.read(1, end)]
        assert data[0] == b"before" and data[-1] == b"after"
        assert {member.role for member in await rest.members()} == {"voter"}

    run(body)


def test_errors_are_exceptions_that_say_what_would_be_right(run, alone, tmp_path):
    async def body(runtime):
        with pytest.raises(cluster.InvalidArgument, match="HOST:PORT"):
            await cluster.Log.open(runtime, str(tmp_path / "x"), cluster=7, self_id=1,
                                   members={1: "nowhere"})
        with pytest.raises(cluster.ClusterError):
            await cluster.Log.open(runtime, str(tmp_path / "y"))
        log = await cluster.Log.open(runtime, **alone)
        with pytest.raises(cluster.TooLarge) as caught:
            await log.append(bytes(2 << 20))
        assert not caught.value.may_have_been_applied
        await log.close()
        with pytest.raises(cluster.Closed):
            await log.append(b"x")
        with pytest.raises(cluster.WrongCluster):
            await cluster.Log.open(runtime, **(alone | {"cluster": 8}))

    run(body)
    with pytest.raises(cluster.InvalidArgument, match="insecure"):
        async def unsaid():
            cluster.Runtime()

        asyncio.run(unsaid())


def test_calls_that_are_open_end_when_the_log_is_closed(run, tmp_path):
    async def body(runtime):
        log = await cluster.Log.open(
            runtime, str(tmp_path / "m"), cluster=7, self_id=1,
            members={1: f"127.0.0.1:{free_port()}", 2: f"127.0.0.1:{free_port()}"})
        waiting = [log.append(b"x") for _ in range(5)]
        cancelled = log.append(b"y")
        cancelled.cancel()
        await log.close()
        for future in waiting:
            with pytest.raises(cluster.ClusterError):
                await future

    run(body)


def _use_in_child(log, queue):
    try:
        log.status()
        queue.put("worked")
    except cluster.Unsupported as refused:
        queue.put(str(refused))


def test_a_forked_child_is_refused(run, alone):
    async def body(runtime):
        log = await cluster.Log.open(runtime, **alone)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_use_in_child, args=(log, queue))
        child.start()
        said = await asyncio.get_running_loop().run_in_executor(None, queue.get, True, PATIENCE)
        child.join()
        assert "fork" in said
        await log.append(b"x")

    run(body)


def test_a_program_without_an_event_loop(alone):
    with cluster.Blocking() as run_in_loop:
        runtime = run_in_loop(cluster.Runtime, insecure=True)
        log = run_in_loop(cluster.Log.open, runtime, **alone)
        at = run_in_loop(log.append, b"x")
        assert [entry.data for entry in run_in_loop(log.read, at, at + 1)] == [b"x"]
        with pytest.raises(cluster.TooLarge):
            run_in_loop(log.append, bytes(2 << 20))
