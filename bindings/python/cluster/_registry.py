"""Shared keys, watches, leases, locks and elections, on a log of their own."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, AsyncIterator, Mapping, Sequence

from cluster._errors import Cancelled, ClusterError, Truncated
from cluster._library import Arguments, check, ffi, lib
from cluster._log import LogView, log_options
from cluster._runtime import Event, Runtime


@dataclass(frozen=True, slots=True)
class KeyValue:
    key: str
    value: bytes
    created: int
    modified: int
    version: int
    lease: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A key was put, or deleted: then `now` has its name and the revision of its deletion."""
    is_deleted: bool
    now: KeyValue
    before: KeyValue | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole revisions, in order. To watch again from `upto + 1` leaves nothing out, tells nothing
    twice."""
    changes: list[Change]
    upto: int


@dataclass(frozen=True, slots=True)
class RangeResult:
    keys: list[KeyValue]
    count: int
    has_more: bool
    revision: int


# What a transaction compares and does.
@dataclass(frozen=True, slots=True)
class Compare:
    key: str
    target: int
    relation: int
    number: int = 0
    value: bytes = b""

    @staticmethod
    def value_is(key: str, value: bytes) -> Compare:
        return Compare(key, lib.CLUSTER_COMPARE_VALUE, lib.CLUSTER_EQUAL, value=value)

    @staticmethod
    def version_is(key: str, version: int) -> Compare:
        return Compare(key, lib.CLUSTER_COMPARE_VERSION, lib.CLUSTER_EQUAL, version)

    @staticmethod
    def modified_is(key: str, revision: int) -> Compare:
        return Compare(key, lib.CLUSTER_COMPARE_MODIFIED, lib.CLUSTER_EQUAL, revision)

    @staticmethod
    def exists(key: str) -> Compare:
        return Compare(key, lib.CLUSTER_COMPARE_EXISTS, lib.CLUSTER_EQUAL, 1)

    @staticmethod
    def missing(key: str) -> Compare:
        return Compare(key, lib.CLUSTER_COMPARE_EXISTS, lib.CLUSTER_EQUAL, 0)


@dataclass(frozen=True, slots=True)
class Put:
    key: str
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    key: str = ""
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Read:
    key: str = ""
    prefix: str | None = None


Operation = Put | Delete | Read


@dataclass(frozen=True, slots=True)
class OperationResult:
    count: int
    keys: list[KeyValue]


@dataclass(frozen=True, slots=True)
class TransactionResult:
    succeeded: bool
    revision: int
    results: list[OperationResult]


def _bytes(slice: Any) -> bytes:
    return bytes(ffi.buffer(slice.data, slice.size)) if slice.size else b""


def _key_value(row: Any) -> KeyValue:
    return KeyValue(_bytes(row.key).decode(errors="surrogateescape"), _bytes(row.value), row.created,
                    row.modified, row.version, row.lease or None)


def _keys(event: Event) -> list[KeyValue]:
    return [_key_value(row) for row in event.rows("cluster_key_value")]


def _fill_range(arguments: Arguments, to: Any, key: str, prefix: str | None) -> None:
    to.kind = lib.CLUSTER_RANGE_KEY if prefix is None else lib.CLUSTER_RANGE_PREFIX
    arguments.fill(to.begin, key if prefix is None else prefix)


def _transaction(event: Event) -> TransactionResult:
    results = [OperationResult(row.count, [_key_value(row.keys + i) for i in range(row.key_count)])
               for row in event.rows("cluster_operation_result")]
    return TransactionResult(event.flags & lib.CLUSTER_FLAG_SUCCEEDED != 0, event.a, results)


class Watch:
    """`async for batch in watch`. It ends by an exception: `Truncated` where what it was to tell is
    no longer kept (read the range, and watch from the revision after), or what ended the registry."""

    def __init__(self, runtime: Runtime, handle: Any) -> None:
        self._runtime = runtime
        self._watch = handle

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        def batch(event: Event) -> Batch:
            rows = event.rows("cluster_change")
            return Batch([Change(bool(row.is_deleted), _key_value(row.now),
                                 _key_value(row.before) if row.has_before else None)
                          for row in rows], event.a)

        if self._watch is None:
            raise StopAsyncIteration
        tag, future = self._runtime._value(batch)
        code = lib.cluster_watch_next(self._watch, tag)
        if code != 0:
            self._runtime._refused(tag, code)
        found: Batch = await future
        return found

    def close(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            lib.cluster_watch_close(watch)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


class Lock:
    """A lock that is held, or an election that was won.

    `token` grows from holder to holder: give it to what you act on, which refuses older ones.
    `lost()` returns when this process must stop acting by it.
    """

    def __init__(self, runtime: Runtime, event: Event) -> None:
        self._runtime = runtime
        self._lock: Any = ffi.cast("cluster_lock*", event.handle)
        self.token: int = event.a
        self.lease: int = event.b
        tag, self._loss = runtime._value(lambda _: None)
        check(lib.cluster_lock_loss(self._lock, tag))
        self._loss.add_done_callback(lambda loss: loss.cancelled() or loss.exception())

    async def lost(self) -> None:
        try:
            await asyncio.shield(self._loss)
        except ClusterError:
            pass  # The registry was closed: it is lost all the same.

    async def release(self) -> None:
        if self._lock is None:
            return
        tag, future = self._runtime._number()
        code = lib.cluster_lock_release(self._lock, tag)
        if code != 0:
            self._runtime._refused(tag, code)
        try:
            await future
        finally:
            self._abandon()

    def _abandon(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lib.cluster_lock_close(lock)


class Turn:
    """`async with registry.lock("name") as lock:` waits for its turn. When the lease is lost inside,
    the body is cancelled, and `LeaseLost` comes out."""

    def __init__(self, registry: Registry, ask: Any) -> None:
        self._registry = registry
        self._ask = ask
        self._lock: Lock | None = None
        self._guard: asyncio.Task[None] | None = None
        self._is_lost = False

    async def acquire(self) -> Lock:
        """For who does not use `async with`: release it, and heed `lost`."""
        runtime = self._registry._runtime
        tag, future = runtime._value(lambda event: Lock(runtime, event))
        code = self._ask(tag)
        if code != 0:
            runtime._refused(tag, code)
        try:
            lock: Lock = await future
            return lock
        except asyncio.CancelledError:
            lib.cluster_registry_cancel(self._registry._registry, tag)
            raise

    async def __aenter__(self) -> Lock:
        self._lock = await self.acquire()
        body = asyncio.current_task()

        async def guard(lock: Lock) -> None:
            await lock.lost()
            self._is_lost = True
            if body is not None:
                body.cancel("the lease was lost")

        self._guard = asyncio.get_running_loop().create_task(guard(self._lock))
        return self._lock

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        assert self._guard is not None and self._lock is not None
        self._guard.cancel()
        lock, self._lock = self._lock, None
        if not self._is_lost:
            await lock.release()
            return
        lock._abandon()
        task = asyncio.current_task()
        if kind is not None and issubclass(kind, asyncio.CancelledError) and task is not None:
            if task.uncancel() == 0:
                raise LeaseLost("the lease was lost: another one may hold it by now",
                                name="lease lost") from None


class LeaseLost(Cancelled):
    """What was held by a lease is held no more."""


class Registry(LogView):
    """Shared keys at every member. Open it with `Registry.open`, use it with `async with`.

    Any member takes any call. Reads are linearizable unless they say `is_local`. A write that fails
    and `may_have_been_applied` may have been.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._registry: Any = None

    @classmethod
    async def open(cls, runtime: Runtime, directory: str, *, cluster: int = 0, self_id: int = 0,
                   members: Mapping[int, str] | None = None, join: str | None = None,
                   listen: str | None = None, request_timeout: float | None = None,
                   election_timeout: float | None = None) -> Registry:
        """As `Log.open`."""
        arguments = Arguments()
        options = log_options(arguments, directory=directory, cluster=cluster, self_id=self_id,
                              members=members or {}, join=join, listen=listen,
                              request_timeout=request_timeout, election_timeout=election_timeout)
        registry = cls(runtime)

        async def open_it() -> None:
            out = ffi.new("cluster_registry**")
            await runtime._checked_in_thread(lib.cluster_registry_open, runtime._runtime, options,
                                             out)
            registry._registry = out[0]
            registry._log = lib.cluster_registry_log(out[0])

        await runtime._open(registry, open_it)
        return registry

    def _call(self, arguments: Arguments, tag: int, function: Any, *given: Any,
              timeout: float | None, space: str, is_local: bool = False) -> None:
        self._handle()
        code = function(self._registry, *given, arguments.call(timeout, space, is_local), tag)
        if code != 0:
            self._runtime._refused(tag, code)

    async def get(self, key: str, *, is_local: bool = False, space: str = "",
                  timeout: float | None = None) -> KeyValue | None:
        arguments = Arguments()
        tag, future = self._runtime._value(_keys)
        self._call(arguments, tag, lib.cluster_registry_get, arguments.slice(key), timeout=timeout,
                   space=space, is_local=is_local)
        found: list[KeyValue] = await future
        return found[0] if found else None

    async def range(self, prefix: str = "", *, at: int = 0, limit: int = 0, keys_only: bool = False,
                    is_local: bool = False, space: str = "",
                    timeout: float | None = None) -> RangeResult:
        """Keys that start with `prefix`, at most 1 MiB of them: where it `has_more`, go on with a
        longer prefix."""
        arguments = Arguments()
        keys = ffi.new("cluster_key_range*")
        _fill_range(arguments, keys, "", prefix)
        what = ffi.new("cluster_read_options*")
        what.size = ffi.sizeof("cluster_read_options")
        what.at, what.limit, what.bytes_max, what.keys_only = at, limit, 1 << 20, int(keys_only)

        def result(event: Event) -> RangeResult:
            return RangeResult(_keys(event), event.b, event.flags & lib.CLUSTER_FLAG_MORE != 0,
                               event.a)

        tag, future = self._runtime._value(result)
        self._call(arguments, tag, lib.cluster_registry_range, keys, what, timeout=timeout,
                   space=space, is_local=is_local)
        found: RangeResult = await future
        return found

    async def put(self, key: str, value: bytes, *, lease: int = 0, space: str = "",
                  timeout: float | None = None) -> int:
        """The revision of the change."""
        arguments = Arguments()
        tag, future = self._runtime._number()
        self._call(arguments, tag, lib.cluster_registry_put, arguments.slice(key),
                   arguments.slice(value), lease, timeout=timeout, space=space)
        return await future

    async def delete(self, key: str = "", *, prefix: str | None = None, space: str = "",
                     timeout: float | None = None) -> int:
        """How many keys were deleted."""
        arguments = Arguments()
        keys = ffi.new("cluster_key_range*")
        _fill_range(arguments, keys, key, prefix)
        tag, future = self._runtime._number()
        self._call(arguments, tag, lib.cluster_registry_erase, keys, timeout=timeout, space=space)
        return await future

    async def transact(self, when: Sequence[Compare], then: Sequence[Operation],
                       otherwise: Sequence[Operation] = (), *, space: str = "",
                       timeout: float | None = None) -> TransactionResult:
        """If all of `when` holds, `then` is carried out, else `otherwise`: all of it, or nothing."""
        arguments = Arguments()
        transaction = ffi.new("cluster_transaction*")
        transaction.size = ffi.sizeof("cluster_transaction")
        compares = ffi.new("cluster_compare[]", len(when))
        for to, compare in zip(compares, when):
            arguments.fill(to.key, compare.key)
            arguments.fill(to.value, compare.value)
            to.target, to.number = compare.target, compare.number
            setattr(to, "is", compare.relation)
        transaction.when, transaction.when_count = compares, len(when)
        both = [self._operations(arguments, then), self._operations(arguments, otherwise)]
        transaction.then, transaction.then_count = both[0], len(then)
        transaction.otherwise, transaction.otherwise_count = both[1], len(otherwise)
        tag, future = self._runtime._value(_transaction)
        self._call(arguments, tag, lib.cluster_registry_transact, transaction, timeout=timeout,
                   space=space)
        result: TransactionResult = await future
        return result

    @staticmethod
    def _operations(arguments: Arguments, operations: Sequence[Operation]) -> Any:
        rows = ffi.new("cluster_operation[]", len(operations))
        for to, operation in zip(rows, operations):
            if isinstance(operation, Put):
                to.kind = lib.CLUSTER_PUT
                arguments.fill(to.range.begin, operation.key)
                arguments.fill(to.value, operation.value)
                to.lease = operation.lease
            else:
                to.kind = (lib.CLUSTER_DELETE if isinstance(operation, Delete)
                           else lib.CLUSTER_READ)
                _fill_range(arguments, to.range, operation.key, operation.prefix)
        return rows

    def watch(self, prefix: str = "", *, key: str | None = None, start: int = 0, puts: bool = True,
              deletes: bool = True, wants_previous: bool = False, space: str = "") -> Watch:
        """Changes of what starts with `prefix`, or of one key, from revision `start` on, or from
        the next one."""
        arguments = Arguments()
        keys = ffi.new("cluster_key_range*")
        _fill_range(arguments, keys, key or "", prefix if key is None else None)
        what = ffi.new("cluster_watch_options*")
        what.size = ffi.sizeof("cluster_watch_options")
        setattr(what, "from", start)
        what.no_puts, what.no_deletes = int(not puts), int(not deletes)
        what.wants_previous = int(wants_previous)
        out = ffi.new("cluster_watch**")
        self._handle()
        check(lib.cluster_registry_watch(self._registry, keys, what, arguments.call(None, space),
                                         out))
        return Watch(self._runtime, out[0])

    async def grant_lease(self, ttl: float, *, is_kept: bool = True,
                          timeout: float | None = None) -> int:
        """A lease of so many seconds; with `is_kept` it is renewed for as long as the registry is
        open. Keys that are put with it go with it."""
        arguments = Arguments()
        tag, future = self._runtime._value(lambda event: event.a)
        self._call(arguments, tag, lib.cluster_registry_grant_lease, round(ttl * 1000),
                   int(is_kept), timeout=timeout, space="")
        lease: int = await future
        return lease

    async def renew_lease(self, lease: int, *, timeout: float | None = None) -> None:
        tag, future = self._runtime._number()
        self._call(Arguments(), tag, lib.cluster_registry_renew_lease, lease, timeout=timeout,
                   space="")
        await future

    async def revoke_lease(self, lease: int, *, timeout: float | None = None) -> None:
        tag, future = self._runtime._number()
        self._call(Arguments(), tag, lib.cluster_registry_revoke_lease, lease, timeout=timeout,
                   space="")
        await future

    async def compact(self, revision: int, *, timeout: float | None = None) -> None:
        """Forgets what was before `revision`."""
        tag, future = self._runtime._number()
        self._call(Arguments(), tag, lib.cluster_registry_compact, revision, timeout=timeout,
                   space="")
        await future

    def _turn_options(self, arguments: Arguments, ttl: float, patience: float | None, space: str,
                      is_shared: bool = False) -> Any:
        options = ffi.new("cluster_lock_options*")
        options.size = ffi.sizeof("cluster_lock_options")
        options.ttl_ms = round(ttl * 1000)
        options.patience_ms = 0 if patience is None else max(1, round(patience * 1000))
        options.is_shared = int(is_shared)
        if space:
            arguments.fill(options.space, space)
        return options

    def lock(self, name: str, *, is_shared: bool = False, ttl: float = 10,
             patience: float | None = None, space: str = "") -> Turn:
        """`async with registry.lock("name") as lock:`, in the order of asking."""
        def ask(tag: int) -> int:
            arguments = Arguments()
            options = self._turn_options(arguments, ttl, patience, space, is_shared)
            self._handle()
            return int(lib.cluster_registry_lock(self._registry, arguments.chars(name), options,
                                                 tag))

        return Turn(self, ask)

    def election(self, name: str, value: bytes = b"", *, ttl: float = 10,
                 patience: float | None = None, space: str = "") -> Turn:
        """`async with registry.election("name", b"me") as term:` leads inside."""
        def ask(tag: int) -> int:
            arguments = Arguments()
            options = self._turn_options(arguments, ttl, patience, space)
            self._handle()
            return int(lib.cluster_registry_elect(self._registry, arguments.chars(name),
                                                  arguments.slice(value), options, tag))

        return Turn(self, ask)

    async def leader(self, name: str, *, space: str = "",
                     timeout: float | None = None) -> tuple[bytes, int] | None:
        """The value and the token of who leads, if anybody does."""
        arguments = Arguments()
        tag, future = self._runtime._value(_keys)
        self._call(arguments, tag, lib.cluster_registry_leader, arguments.chars(name),
                   timeout=timeout, space=space)
        found: list[KeyValue] = await future
        return (found[0].value, found[0].modified) if found else None

    async def _close_handle(self) -> None:
        registry, self._registry, self._log = self._registry, None, None
        if registry is not None:
            await self._runtime._in_thread(lib.cluster_registry_close, registry)

    async def __aenter__(self) -> Registry:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()


__all__ = ["Batch", "Change", "Compare", "Delete", "KeyValue", "LeaseLost", "Lock", "Operation",
           "OperationResult", "Put", "RangeResult", "Read", "Registry", "TransactionResult",
           "Truncated", "Turn", "Watch"]
