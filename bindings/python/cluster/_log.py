"""The replicated log: one ordered history that a majority of its members keeps on disk."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Iterable, Mapping, Sequence

from cluster._library import Arguments, check, ffi, lib
from cluster._errors import Closed, InvalidArgument
from cluster._runtime import Event, Part, Runtime


@dataclass(frozen=True, slots=True)
class Entry:
    position: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Member:
    id: int
    address: str
    role: str  # "voter", "witness" or "learner"
    has_joined: bool
    is_heard: bool


@dataclass(frozen=True, slots=True)
class Status:
    self: int
    first: int
    end: int
    term: int
    leader: int | None
    is_leader: bool
    is_live: bool
    is_ready: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Leadership:
    term: int
    leader: int | None
    is_self: bool


class StateMachine:
    """What a program builds on the log: the same state at every member, from the same entries.

    `apply` is called in the event loop, with entries in order, each once; it must depend on nothing
    else, and must not wait. An exception in any of these fails this replica: its calls raise it.
    """

    def apply(self, entries: Sequence[Entry]) -> None:
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """The state, for members that are far behind and for restarts."""
        raise NotImplementedError

    def restore(self, snapshot: bytes) -> None:
        """Replaces the state."""
        raise NotImplementedError


_roles = ["voter", "witness", "learner"]


def address_of(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidArgument(f"\"{text}\" is no address; write HOST:PORT", code=1)
    return host.removeprefix("[").removesuffix("]"), int(port)


def log_options(arguments: Arguments, *, directory: str, cluster: int, self_id: int,
                members: Mapping[int, str], join: str | None, listen: str | None,
                request_timeout: float | None, election_timeout: float | None) -> Any:
    options = ffi.new("cluster_log_options*")
    options.size = ffi.sizeof("cluster_log_options")
    options.directory = arguments.chars(directory)
    options.cluster = cluster
    options.self = self_id
    rows = ffi.new("cluster_member[]", len(members))
    for row, (number, address) in zip(rows, members.items()):
        host, port = address_of(address)
        row.id, row.host, row.port = number, arguments.chars(host), port
    options.members, options.member_count = rows, len(members)
    arguments._kept.append(rows)
    options.join = arguments.chars(join)
    if listen is not None:
        host, options.listen_port = address_of(listen)
        options.listen_host = arguments.chars(host)
    options.request_timeout_ms = round((request_timeout or 0) * 1000)
    options.election_timeout_ms = round((election_timeout or 0) * 1000)
    # As the default has it: a tenth.
    options.heartbeat_interval_ms = round((election_timeout or 0) * 100)
    return options


def entries_of(event: Event) -> list[Entry]:
    return [Entry(row.position, bytes(ffi.buffer(row.data.data, row.data.size)) if row.data.size
                  else b"") for row in event.rows("cluster_entry")]


def members_of(event: Event) -> list[Member]:
    found = []
    for row in event.rows("cluster_member"):
        host = ffi.string(row.host).decode()
        host = f"[{host}]" if ":" in host else host
        found.append(Member(row.id, f"{host}:{row.port}", _roles[row.role], bool(row.has_joined),
                            bool(row.is_heard)))
    return found


class LogView(Part):
    """What can be asked of any replica's log, a registry's too."""

    _log: Any = None

    def _handle(self) -> Any:
        if self._log is None:
            raise Closed("it was closed", code=7, name="closed")
        return self._log

    def status(self) -> Status:
        row = ffi.new("cluster_log_status*")
        row.size = ffi.sizeof("cluster_log_status")
        check(lib.cluster_log_read_status(self._handle(), row))
        return Status(row.self, row.first, row.end, row.term, row.leader or None,
                      bool(row.is_leader), bool(row.is_live), bool(row.is_ready),
                      ffi.string(row.reason).decode(errors="replace"))

    def metrics(self) -> str:
        """Prometheus' text."""
        size = lib.cluster_log_metrics(self._handle(), ffi.NULL, 0) + 4096
        room = ffi.new("char[]", size)
        lib.cluster_log_metrics(self._handle(), room, size)
        return str(ffi.string(room).decode())

    def watch_leadership(self, observer: Callable[[Leadership], None]) -> None:
        """Calls it in the event loop, with the present leadership and then with each change."""
        def changed(event: Event) -> None:
            observer(Leadership(event.a, event.b or None, event.flags & lib.CLUSTER_FLAG_SELF != 0))

        check(lib.cluster_log_watch_leadership(self._handle(), self._runtime._stream(changed)))

    def _ask(self, function: Any, make: Callable[[Event], Any], *given: Any,
             timeout: float | None = None) -> asyncio.Future[Any]:
        arguments = Arguments()
        tag, future = self._runtime._value(make)
        code = function(self._handle(), *given, arguments.call(timeout), tag)
        if code != 0:
            self._runtime._refused(tag, code)
        return future

    def _ask_number(self, function: Any, *given: Any,
                    timeout: float | None = None) -> asyncio.Future[int]:
        arguments = Arguments()
        tag, future = self._runtime._number()
        code = function(self._handle(), *given, arguments.call(timeout), tag)
        if code != 0:
            self._runtime._refused(tag, code)
        return future

    async def members(self) -> list[Member]:
        tag, future = self._runtime._value(members_of)
        check(lib.cluster_log_members(self._handle(), tag))
        found: list[Member] = await future
        return found

    async def add_member(self, address: str, role: str = "learner", *,
                         timeout: float | None = None) -> str:
        """The token that the newcomer is opened with (`join`)."""
        arguments = Arguments()
        host, port = address_of(address)
        token: str = await self._ask(lib.cluster_log_add_member, Event.text, arguments.chars(host),
                                     port, _roles.index(role), timeout=timeout)
        return token

    async def set_role(self, member: int, role: str, *, timeout: float | None = None) -> list[Member]:
        now: list[Member] = await self._ask(lib.cluster_log_set_role, members_of, member,
                                            _roles.index(role), timeout=timeout)
        return now

    async def remove_member(self, member: int, *, timeout: float | None = None) -> list[Member]:
        now: list[Member] = await self._ask(lib.cluster_log_remove_member, members_of, member,
                                            timeout=timeout)
        return now

    async def transfer_leadership(self, member: int, *, timeout: float | None = None) -> None:
        await self._ask(lib.cluster_log_transfer, lambda event: None, member, timeout=timeout)


class Log(LogView):
    """This process' replica. Open it with `Log.open`, use it with `async with`."""

    def __init__(self, runtime: Runtime, machine: StateMachine | None) -> None:
        self._runtime = runtime
        self._machine = machine
        self._failure: BaseException | None = None
        self._parts: list[bytes] = []

    @classmethod
    async def open(cls, runtime: Runtime, directory: str, *, cluster: int = 0, self_id: int = 0,
                   members: Mapping[int, str] | None = None, join: str | None = None,
                   listen: str | None = None, machine: StateMachine | None = None,
                   request_timeout: float | None = None,
                   election_timeout: float | None = None) -> Log:
        """Opens the replica in `directory`, which is made for one member of one cluster.

        Founders give the same `cluster` (any number) and `members` ({1: "host:port", ...}), and who
        they are; a newcomer gives `join`, the token of `add_member`; a restart needs neither.
        """
        log = cls(runtime, machine)
        arguments = Arguments()
        options = log_options(arguments, directory=directory, cluster=cluster, self_id=self_id,
                              members=members or {}, join=join, listen=listen,
                              request_timeout=request_timeout, election_timeout=election_timeout)
        if machine is not None:
            options.has_state_machine = 1
            options.machine_tag = runtime._stream(log._on_machine)

        async def open_it() -> None:
            out = ffi.new("cluster_log**")
            await runtime._checked_in_thread(lib.cluster_log_open, runtime._runtime, options, out)
            log._log = out[0]

        await runtime._open(log, open_it)
        return log

    def _on_machine(self, event: Event) -> None:
        if self._failure is not None or self._machine is None:
            return
        try:
            if event.kind == lib.CLUSTER_EVENT_APPLY:
                self._machine.apply(entries_of(event))
            elif event.kind == lib.CLUSTER_EVENT_RESTORE:
                self._parts.append(event.bytes())
                if event.flags & lib.CLUSTER_FLAG_LAST:
                    whole, self._parts = b"".join(self._parts), []
                    self._machine.restore(whole)
            elif event.kind == lib.CLUSTER_EVENT_SNAPSHOT and self._log is not None:
                self._answer_snapshot(event.a, self._machine.snapshot())
        except BaseException as failure:
            self._failure = failure
            self._runtime._loop.call_exception_handler(
                {"message": "a state machine failed; its replica is stopped", "exception": failure})
            self._begin_to_close()
            if not isinstance(failure, Exception):
                raise

    def _answer_snapshot(self, number: int, state: bytes) -> None:
        arguments = Arguments()
        # The log may be closing: then nobody wants it.
        lib.cluster_snapshot_write(self._log, number, arguments.slice(state))
        lib.cluster_snapshot_end(self._log, number, 0)

    def _handle(self) -> Any:
        if self._failure is not None:
            raise self._failure
        return super()._handle()

    def append(self, data: bytes, *, timeout: float | None = None) -> asyncio.Future[int]:
        """Under way when it returns; its result is the position, once a majority has the entry on
        disk. Cancelling the future does not take the entry back."""
        tag, future = self._runtime._number()
        kept = ffi.from_buffer(data)
        call = Arguments().call(timeout) if timeout is not None else ffi.NULL
        code = lib.cluster_log_append(self._handle(), (kept, len(data)), call, tag)
        if code != 0:
            self._runtime._refused(tag, code)
        return future

    async def append_all(self, entries: Iterable[bytes], *,
                         timeout: float | None = None) -> list[int]:
        """As one group; the positions, in the order of the entries."""
        arguments = Arguments()
        given = list(entries)
        slices = ffi.new("cluster_slice[]", len(given))
        for to, data in zip(slices, given):
            arguments.fill(to, data)

        def positions(event: Event) -> list[int]:
            return list(ffi.cast("uint64_t*", event.items)[0:event.count]) if event.count else []

        placed: list[int] = await self._ask(lib.cluster_log_append_all, positions, slices,
                                            len(given), timeout=timeout)
        return placed

    async def read(self, start: int, end: int, *, bytes_max: int = 1 << 20,
                   timeout: float | None = None) -> list[Entry]:
        """Entries from [start, end): at most so many bytes, but one where there is one."""
        read: list[Entry] = await self._ask(lib.cluster_log_read, entries_of, start, end, bytes_max,
                                            timeout=timeout)
        return read

    async def catch_up(self, *, timeout: float | None = None) -> tuple[int, int]:
        """Waits for all that was chosen when it was called; positions [first, end) are here then."""
        reached: tuple[int, int] = await self._ask(
            lib.cluster_log_catch_up, lambda event: (event.a, event.b), timeout=timeout)
        return reached

    async def follow(self, start: int = 1) -> AsyncIterator[Entry]:
        """Entries from `start` on, in order, each once, for ever."""
        while True:
            tag, future = self._runtime._number()
            code = lib.cluster_log_wait(self._handle(), start, tag)
            if code != 0:
                self._runtime._refused(tag, code)
            end = await future
            while start < end:
                batch = await self.read(start, end)
                for entry in batch:
                    yield entry
                start = batch[-1].position + 1 if batch else end

    async def truncate(self, to: int, *, timeout: float | None = None) -> int:
        """Forgets what is before `to`, at every member; the first position that is kept."""
        return await self._ask_number(lib.cluster_log_truncate, to, timeout=timeout)

    async def take_snapshot(self, *, timeout: float | None = None) -> int:
        return await self._ask_number(lib.cluster_log_take_snapshot, timeout=timeout)

    async def read_barrier(self, *, timeout: float | None = None) -> int:
        """With a state machine: waits until it has applied all that was chosen, anywhere, when this
        was called."""
        return await self._ask_number(lib.cluster_log_read_barrier, timeout=timeout)

    async def _close_handle(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            await self._runtime._in_thread(lib.cluster_log_close, log)

    async def __aenter__(self) -> Log:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()
