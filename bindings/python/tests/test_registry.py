"""Keys, transactions, watches, leases, locks and elections."""
import asyncio

import pytest

import cluster
from cluster import Compare, Delete, Put, Read


def with_registry(run, alone, body):
    async def opened(runtime):
        await body(await cluster.Registry.open(runtime, **alone))

    run(opened)


def test_keys_are_put_read_listed_and_deleted(run, alone):
    async def body(registry):
        first = await registry.put("a/1", b"one")
        assert await registry.put("a/2", b"t\0wo") == first + 1
        await registry.put("b", b"")
        found = await registry.get("a/2")
        assert (found.value, found.version, found.lease) == (b"t\0wo", 1, None)
        assert (await registry.get("b")).value == b""
        assert await registry.get("missing") is None
        listed = await registry.range("a/")
        assert [key.key for key in listed.keys] == ["a/1", "a/2"] and not listed.has_more
        assert (await registry.range("a/", at=first)).count == 1
        assert (await registry.range("a/", limit=1)).has_more
        assert [key.value for key in (await registry.range("a/", keys_only=True)).keys] == [b"", b""]
        assert await registry.delete(prefix="a/") == 2
        assert await registry.delete("nothing") == 0
        with pytest.raises(cluster.InvalidArgument):
            await registry.put("", b"x")

    with_registry(run, alone, body)


def test_a_transaction_moves_what_its_condition_allows(run, alone):
    async def body(registry):
        await registry.put("from", b"5")

        async def move():
            return await registry.transact(
                [Compare.value_is("from", b"5"), Compare.missing("lock")],
                [Put("from", b"0"), Put("to", b"5"), Read("to")],
                [Read(prefix="f"), Delete("nothing")])

        moved = await move()
        assert moved.succeeded and moved.results[2].keys[0].value == b"5"
        again = await move()
        assert not again.succeeded and again.results[0].keys[0].value == b"0"

    with_registry(run, alone, body)


def test_a_watch_tells_each_change_once_and_in_order(run, alone):
    async def body(registry):
        start = await registry.put("w/0", b"0")
        with registry.watch("w/", start=start, wants_previous=True) as watch:
            for i in range(1, 40):
                await registry.put(f"w/{i}", str(i).encode())
            await registry.put("elsewhere", b"x")
            await registry.delete("w/7")
            changes = []
            async for batch in watch:
                changes += batch.changes
                if len(changes) == 41:
                    break
        assert [change.now.value for change in changes[:40]] == [str(i).encode() for i in range(40)]
        assert changes[40].is_deleted and changes[40].before.value == b"7"

        await registry.compact(start + 5)
        with registry.watch("w/", start=start) as watch:
            with pytest.raises(cluster.Truncated) as caught:
                await anext(watch)
        assert caught.value.resume_from > start

    with_registry(run, alone, body)


def test_a_lease_takes_its_keys_along(run, alone):
    async def body(registry):
        lease = await registry.grant_lease(60)
        await registry.put("leased", b"x", lease=lease)
        assert (await registry.get("leased")).lease == lease
        await registry.renew_lease(lease)
        await registry.revoke_lease(lease)
        assert await registry.get("leased") is None
        with pytest.raises(cluster.NotFound):
            await registry.renew_lease(lease)

    with_registry(run, alone, body)


def test_one_at_a_time_holds_a_lock_and_tokens_grow(run, alone):
    async def body(registry):
        tokens = []
        inside = 0

        async def work():
            nonlocal inside
            async with registry.lock("job") as lock:
                inside += 1
                assert inside == 1
                tokens.append(lock.token)
                await registry.get("anything")
                inside -= 1

        await asyncio.gather(*(work() for _ in range(8)))
        assert tokens == sorted(set(tokens)) and len(tokens) == 8

        async with registry.lock("job"):
            with pytest.raises(cluster.TimedOut):
                async with registry.lock("job", patience=0.05):
                    raise AssertionError("two hold it")
            waiting = asyncio.create_task(registry.lock("job").acquire())
            await registry.get("anything")
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    with_registry(run, alone, body)


def test_who_loses_the_lease_is_cancelled_and_told(run, alone):
    async def body(registry):
        reached_end = False
        with pytest.raises(cluster.LeaseLost):
            async with registry.election("chief", b"me") as term:
                assert await registry.leader("chief") == (b"me", term.token)
                revoking = asyncio.create_task(registry.revoke_lease(term.lease))
                await asyncio.Event().wait()
                reached_end = True
        assert not reached_end
        await revoking
        assert not asyncio.current_task().cancelling()
        assert await registry.leader("chief") is None

    with_registry(run, alone, body)


def test_namespaces_keep_keys_apart(run, alone):
    async def body(registry):
        with pytest.raises(cluster.NotFound):
            await registry.put("key", b"x", space="team")
        assert await registry.get("key") is None

    with_registry(run, alone, body)
