"""The runtime: the library's threads, and the way from its queue into the event loop."""
from __future__ import annotations

import asyncio
import itertools
import struct
from types import TracebackType
from typing import Any, Awaitable, Callable

from cluster._errors import error_of
from cluster._library import check, ffi, lib, refused, text

EVENTS_AT_ONCE = 256
_event = struct.Struct("=QiiiIQQQQQQ")
assert _event.size == ffi.sizeof("cluster_event")


class Event:
    """One event, as cluster/c.h has it. Its items are there until its handler returns."""

    __slots__ = ("tag", "kind", "error", "outcome", "flags", "a", "b", "handle", "items", "count",
                 "item_size")

    def __init__(self, fields: tuple[int, ...]) -> None:
        (self.tag, self.kind, self.error, self.outcome, self.flags, self.a, self.b, self.handle,
         self.items, self.count, self.item_size) = fields

    def text(self) -> str:
        return self.bytes().decode(errors="replace")

    def bytes(self) -> bytes:
        return bytes(ffi.buffer(ffi.cast("char*", self.items), self.count)) if self.count else b""

    def rows(self, kind: str) -> list[Any]:
        """Items of a struct; by its size in the library, which may be larger than ours."""
        return [ffi.cast(kind + "*", self.items + i * self.item_size) for i in range(self.count)]

    def failure(self) -> Exception:
        failure = error_of(self.error, text(lib.cluster_error_name(self.error)), self.text(),
                           self.outcome == lib.CLUSTER_MAYBE)
        failure.resume_from = self.b if self.kind == lib.CLUSTER_EVENT_WATCH_END else 0
        return failure


class Part:
    """What is opened on a runtime, and closed once: whoever closes it, or is cancelled while it
    does, it is over only when the library has said so."""

    _runtime: Runtime
    _closing: asyncio.Task[None] | None = None

    async def _close_handle(self) -> None:
        raise NotImplementedError

    def _begin_to_close(self) -> asyncio.Task[None]:
        async def close_handle() -> None:
            await self._close_handle()
            if self in self._runtime._parts:
                self._runtime._parts.remove(self)
            self._runtime._drain()

        if self._closing is None:
            self._closing = self._runtime._loop.create_task(close_handle())
        return self._closing

    async def close(self) -> None:
        await asyncio.shield(self._begin_to_close())


class Runtime:
    """Threads, network and certificates of what is opened on it, in one event loop.

    Say how connections are secured: `certificate`, `key` and `authorities` name PEM files, which
    are read again when they change; `insecure=True` is plain text. Use it with `async with`, or
    call `close`.
    """

    def __init__(self, *, certificate: str | None = None, key: str | None = None,
                 authorities: str | None = None, insecure: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        out = ffi.new("cluster_queue**")
        check(lib.cluster_queue_open(ffi.NULL, out))
        self._queue = out[0]
        self._runtime: Any = None
        names = [ffi.new("char[]", name.encode()) if name is not None else ffi.NULL
                 for name in (certificate, key, authorities)]
        options = ffi.new("cluster_runtime_options*")
        options.size = ffi.sizeof("cluster_runtime_options")
        options.queue = self._queue
        options.certificate, options.key, options.authorities = names
        options.insecure = int(insecure)
        runtime = ffi.new("cluster_runtime**")
        code = lib.cluster_runtime_open(options, runtime)
        if code != 0:
            lib.cluster_queue_close(self._queue)
            check(code)
        self._runtime = runtime[0]
        self._events = ffi.new("cluster_event[]", EVENTS_AT_ONCE)
        self._buffer = ffi.buffer(self._events)
        self._tags = itertools.count(1)
        self._handlers: dict[int, Callable[[Event], None]] = {}
        self._futures: dict[int, asyncio.Future[int]] = {}
        self._parts: list[Part] = []
        self._opening: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._descriptor = lib.cluster_queue_descriptor(self._queue)
        self._loop.add_reader(self._descriptor, self._drain)

    def _drain(self) -> None:
        for _ in range(4):  # Then others have their turn: the descriptor stays readable.
            count = lib.cluster_queue_next(self._queue, self._events, _event.size, EVENTS_AT_ONCE, 0)
            for fields in _event.iter_unpack(memoryview(self._buffer)[:count * _event.size]):
                future = self._futures.pop(fields[0], None)
                if future is None:
                    handler = self._handlers.get(fields[0])
                    if handler is not None:
                        handler(Event(fields))
                elif not future.done():
                    if fields[2] == 0:
                        future.set_result(fields[5])
                    else:
                        future.set_exception(Event(fields).failure())
            if count < EVENTS_AT_ONCE:
                return

    def _number(self) -> tuple[int, asyncio.Future[int]]:
        """A tag, and the number that its event will carry."""
        tag = next(self._tags)
        future: asyncio.Future[int] = self._loop.create_future()
        self._futures[tag] = future
        return tag, future

    def _refused(self, tag: int, code: int) -> None:
        self._futures.pop(tag, None)
        self._handlers.pop(tag, None)
        check(code)

    def _value(self, make: Callable[[Event], Any]) -> tuple[int, asyncio.Future[Any]]:
        """A tag, and what `make` makes of its one event."""
        tag = next(self._tags)
        future: asyncio.Future[Any] = self._loop.create_future()

        def end(event: Event) -> None:
            del self._handlers[tag]
            if event.error != 0:
                if not future.done():
                    future.set_exception(event.failure())
                return
            value = make(event)  # Of a caller that has gone, too: a handle must be taken.
            if not future.done():
                future.set_result(value)
            elif hasattr(value, "_abandon"):
                value._abandon()

        self._handlers[tag] = end
        return tag, future

    def _stream(self, handler: Callable[[Event], None]) -> int:
        tag = next(self._tags)
        self._handlers[tag] = handler
        return tag

    async def close(self) -> None:
        """Closes what was opened on it, the newest first, then the threads."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close_all())
        await asyncio.shield(self._closing)

    async def _close_all(self) -> None:
        await asyncio.gather(*self._opening, return_exceptions=True)
        for part in reversed(self._parts.copy()):
            await part.close()
        runtime, self._runtime = self._runtime, None
        await self._in_thread(lib.cluster_runtime_close, runtime)
        self._drain()
        self._loop.remove_reader(self._descriptor)
        lib.cluster_queue_close(self._queue)

    async def _open(self, part: Part, open_it: Callable[[], Awaitable[None]]) -> None:
        """A caller that is cancelled meanwhile leaves a part that is closed with the runtime."""
        async def opened() -> None:
            await open_it()
            self._parts.append(part)

        if self._closing is not None:
            raise error_of(lib.CLUSTER_E_CLOSED, "closed", "the runtime was closed")
        task = self._loop.create_task(opened())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        await asyncio.shield(task)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """For calls that wait: of the disk, of threads that end. The loop goes on meanwhile."""
        return await self._loop.run_in_executor(None, function, *arguments)

    async def _checked_in_thread(self, function: Callable[..., int], *arguments: Any) -> None:
        """The error's text is its thread's own."""
        def call() -> Exception | None:
            code = function(*arguments)
            return None if code == 0 else refused(code)

        failure = await self._loop.run_in_executor(None, call)
        if failure is not None:
            raise failure

    async def __aenter__(self) -> Runtime:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()
