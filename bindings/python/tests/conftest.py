"""What the tests share: ports, and a member that is alone."""
import asyncio
import socket

import pytest

import cluster

PATIENCE = 60  # Of a machine that is four times slower, and busy.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def run():
    """Runs a coroutine function with a runtime, in a loop of its own."""
    def run_with_runtime(body):
        async def inside():
            async with cluster.Runtime(insecure=True) as runtime:
                await body(runtime)

        asyncio.run(asyncio.wait_for(inside(), PATIENCE * 2))

    return run_with_runtime


@pytest.fixture
def alone(tmp_path):
    """Options of the only member of a log: the same each time in one test."""
    return {"directory": str(tmp_path / "member"), "cluster": 7, "self_id": 1,
            "members": {1: f"127.0.0.1:{free_port()}"}}
