"""What goes wrong, as exceptions: one class for each code that programs act on."""
from __future__ import annotations


class ClusterError(Exception):
    """A call that failed. `code` is its number in cluster/c.h, `name` the words for it."""

    code: int = 21
    #: It may have taken effect all the same: to retry is the caller's choice.
    may_have_been_applied: bool
    #: Of a watch that has ended: the revision that another one goes on from.
    resume_from: int = 0

    def __init__(self, message: str, *, code: int | None = None, name: str = "",
                 may_have_been_applied: bool = False) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.name = name
        self.may_have_been_applied = may_have_been_applied

    def __str__(self) -> str:
        text = f"{self.name}: {self.args[0]}" if self.name else str(self.args[0])
        return text + (" (may have been applied)" if self.may_have_been_applied else "")


class InvalidArgument(ClusterError, ValueError):
    code = 1


class NotFound(ClusterError, LookupError):
    code = 2


class Fenced(ClusterError):
    """A newer writer or leader has taken over."""
    code = 4


class NoLeader(ClusterError):
    """No leader could be reached: a majority of the voters must be up."""
    code = 5


class TimedOut(ClusterError, TimeoutError):
    code = 6


class Closed(ClusterError):
    code = 7


class Overloaded(ClusterError):
    code = 8


class TooLarge(ClusterError, ValueError):
    code = 9


class Truncated(ClusterError):
    """What was asked for is no longer kept."""
    code = 10


class StorageFailed(ClusterError, OSError):
    """The disk failed, is full, or contradicts itself: this replica has stopped."""
    code = 12


class WrongCluster(ClusterError):
    code = 15


class Unsupported(ClusterError):
    code = 16


class Cancelled(ClusterError):
    """It was given up. (A task that is cancelled gets asyncio's own exception.)"""
    code = 22


_classes: dict[int, type[ClusterError]] = {kind.code: kind for kind in (
    InvalidArgument, NotFound, Fenced, NoLeader, TimedOut, Closed, Overloaded, TooLarge, Truncated,
    StorageFailed, WrongCluster, Unsupported, Cancelled)}
_classes.update({11: StorageFailed, 23: StorageFailed, 24: StorageFailed})


def error_of(code: int, name: str, message: str, may_have_been_applied: bool = False) -> ClusterError:
    return _classes.get(code, ClusterError)(message, code=code, name=name,
                                            may_have_been_applied=may_have_been_applied)
