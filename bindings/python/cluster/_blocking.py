"""The same for programs without an event loop: one runs on a thread, and calls wait for it."""
from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Awaitable, Callable

from cluster._runtime import Runtime


class Blocking:
    """An event loop on a thread of its own.

        with cluster.Blocking() as run:
            runtime = run(cluster.Runtime, insecure=True)
            registry = run(cluster.Registry.open, runtime, "here", ...)
            run(registry.put, "key", b"value")

    `run(f, ...)` calls `f` in the loop and waits for what it yields. Any thread may call it. What was
    opened is closed at the end.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster-python",
                                        daemon=True)
        self._thread.start()
        self._closers: list[Callable[[], Awaitable[Any]]] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        async def in_loop() -> Any:
            result = function(*arguments, **named)
            if asyncio.isfuture(result) or asyncio.iscoroutine(result):
                return await result
            return result

        result = asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result()
        if isinstance(result, Runtime):
            self._closers.append(result.close)
        return result

    def close(self) -> None:
        if self._loop.is_closed():
            return
        for closer in reversed(self._closers):
            self(closer)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
