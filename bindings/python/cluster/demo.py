"""python -m cluster.demo: three copies of a program in one process elect a leader, share a counter,
and go on when the leader is gone."""
from __future__ import annotations

import asyncio
import socket
import tempfile

import cluster


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def lead(number: int, registry: cluster.Registry) -> bool:
    async with registry.election("demo", str(number).encode(), ttl=2) as term:
        await registry.put(f"led/{number}", str(term.token).encode())
        led = await registry.range("led/")
        print(f"copy {number} leads with token {term.token}; led so far: "
              f"{', '.join(key.key.removeprefix('led/') for key in led.keys)}")
        return led.count == 2  # Two of three must be up: a third would wait for a majority.


async def copy(number: int, members: dict[int, str], folder: str) -> bool:
    """Leads once and leaves. True: it was the second to lead."""
    async with cluster.Runtime(insecure=True) as runtime:
        registry = await cluster.Registry.open(runtime, f"{folder}/{number}", cluster=7,
                                               self_id=number, members=members)
        while True:
            try:
                is_second = await lead(number, registry)
                print(f"copy {number} leaves")
                return is_second
            except (cluster.NoLeader, cluster.TimedOut, cluster.LeaseLost) as problem:
                print(f"copy {number} tries again: {problem}")


async def main() -> None:
    members = {number: f"127.0.0.1:{free_port()}" for number in (1, 2, 3)}
    with tempfile.TemporaryDirectory() as folder:
        copies = [asyncio.create_task(copy(number, members, folder)) for number in members]
        for next_to_leave in asyncio.as_completed(copies):
            if await next_to_leave:
                break
        for task in copies:
            task.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
    print("two copies led, one after the other, with growing tokens")


if __name__ == "__main__":
    asyncio.run(main())
