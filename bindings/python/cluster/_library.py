"""The shared library: the package's own, or the system's."""
from __future__ import annotations

import os
import pathlib
from typing import Any

from cluster._errors import ClusterError, error_of
from cluster._native import ffi as _ffi

ffi: Any = _ffi
ABI_VERSION = 1


def _load() -> Any:
    own = pathlib.Path(__file__).parent / "libcluster.so.1"
    name = os.environ.get("CLUSTER_LIBRARY") or (str(own) if own.exists() else "libcluster.so.1")
    try:
        library = ffi.dlopen(name)
    except OSError as problem:
        raise ImportError(f"libcluster could not be loaded: {problem}; install the package with the "
                          "library inside (pip install), or libcluster itself, or name it with "
                          "CLUSTER_LIBRARY") from problem
    if library.cluster_abi_version() < ABI_VERSION:
        raise ImportError(f"{name} has ABI {library.cluster_abi_version()}, and this package needs "
                          f"{ABI_VERSION}: install a newer libcluster")
    return library


lib: Any = _load()


def text(pointer: Any) -> str:
    return str(ffi.string(pointer).decode(errors="replace"))


def refused(code: int) -> ClusterError:
    """Of a call that returned an error: nothing of it is under way."""
    return error_of(code, text(lib.cluster_error_name(code)), text(lib.cluster_error_text()))


def check(code: int) -> None:
    if code != 0:
        raise refused(code)


class Arguments:
    """What a call is given, kept alive until it has returned (the library copies it)."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def chars(self, value: str | None) -> Any:
        if value is None:
            return ffi.NULL
        kept = ffi.new("char[]", value.encode())
        self._kept.append(kept)
        return kept

    def fill(self, to: Any, value: bytes | str) -> None:
        """Sets a slice."""
        raw = value.encode() if isinstance(value, str) else value
        kept = ffi.from_buffer(raw)
        self._kept.append(kept)
        to.data = kept
        to.size = len(raw)

    def slice(self, value: bytes | str) -> Any:
        made = ffi.new("cluster_slice*")
        self.fill(made, value)
        return made[0]

    def call(self, timeout: float | None, space: str = "", is_local: bool = False) -> Any:
        if timeout is None and not space and not is_local:
            return ffi.NULL
        made = ffi.new("cluster_call*")
        made.size = ffi.sizeof("cluster_call")
        # A time that is over must not read as "the default".
        made.timeout_ms = 0 if timeout is None else max(1, round(timeout * 1000))
        made.is_local = int(is_local)
        if space:
            self.fill(made.space, space)
        self._kept.append(made)
        return made
