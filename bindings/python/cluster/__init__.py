"""Replicated logs, shared keys, locks and elections inside your program.

    async with cluster.Runtime(insecure=True) as runtime:
        registry = await cluster.Registry.open(runtime, "data", cluster=7, self_id=1,
                                               members={1: "10.0.0.1:7400", 2: "10.0.0.2:7400",
                                                        3: "10.0.0.3:7400"})
        await registry.put("config/limit", b"8")
        async with registry.election("nightly") as term:
            ...                     # one copy in the whole cluster is in here; cancelled when it lost

asyncio first: everything belongs to the event loop that was running when its `Runtime` was made.
`cluster.Blocking` is for programs without one. No signal handler is installed, nothing is printed,
and the interpreter is never held up: what waits, waits without the GIL.
"""
from cluster._blocking import Blocking
from cluster._errors import (Cancelled, Closed, ClusterError, Fenced, InvalidArgument, NoLeader,
                             NotFound, Overloaded, StorageFailed, TimedOut, TooLarge, Truncated,
                             Unsupported, WrongCluster)
from cluster._log import Entry, Leadership, Log, Member, StateMachine, Status
from cluster._registry import (Batch, Change, Compare, Delete, KeyValue, LeaseLost, Lock, Put,
                               RangeResult, Read, Registry, TransactionResult, Turn, Watch)
from cluster._runtime import Runtime

__all__ = ["Batch", "Blocking", "Cancelled", "Change", "Closed", "ClusterError", "Compare", "Delete",
           "Entry", "Fenced", "InvalidArgument", "KeyValue", "Leadership", "LeaseLost", "Lock", "Log",
           "Member", "NoLeader", "NotFound", "Overloaded", "Put", "RangeResult", "Read", "Registry",
           "Runtime", "StateMachine", "Status", "StorageFailed", "TimedOut", "TooLarge",
           "TransactionResult", "Truncated", "Turn", "Unsupported", "Watch", "WrongCluster"]
