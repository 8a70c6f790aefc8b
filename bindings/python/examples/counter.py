"""A counter that survives: python counter.py 1 h1:7001 h2:7001 h3:7001, and so on for 2 and 3."""
import asyncio
import sys

import cluster


async def main(me: int, addresses: list[str]) -> None:
    async with cluster.Runtime(insecure=True) as runtime:
        registry = await cluster.Registry.open(runtime, f"counter.{me}", cluster=7, self_id=me,
                                               members=dict(enumerate(addresses, 1)))
        while True:
            now = await registry.get("count", timeout=60)
            count, seen = (int(now.value), now.modified) if now else (0, 0)
            added = await registry.transact([cluster.Compare.modified_is("count", seen)],
                                            [cluster.Put("count", str(count + 1).encode())])
            print(f"{me}: {count + 1}" if added.succeeded else f"{me}: another was first")
            await asyncio.sleep(0.2)


asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
