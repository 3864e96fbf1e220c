"""The claim of a store: it says who writes into the store now, so that two jobs never do.

Values: a StoreGroup in; keys in the group, with JSON, while a job runs. Outside of FORMAT.md: readers need not know
them.

Every job writes a claim under a key of its own, and lists the claims. It holds the store once the list shows its own
and no other that lives. Of two jobs the one that wrote later sees the other, so that never both hold it. This needs no
more of a store than that it lists what was written, as local and shared folders, memory, S3, GCS and Azure do. Where
several begin at once, all withdraw but the one whose key sorts first (keys begin with a time), and that one waits
until they have. A claim is written once, and its job stops as soon as the key is gone. To take over the claim of a job
that died is to delete its key, as often and by as many as may be. Signs of life have a key of their own, and never
bring it back.

Guarantees that a second job is refused with the owner and the time of the first. The claim of a job that died is taken
over: at once on its machine, elsewhere after 5 minutes without a sign of life, by clocks that differ by less than 4.
What a loss of power left torn or empty is taken over likewise, by the time in its key. A job whose claim was taken over
begins to write no further chunk.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmip_gpu.errors import StoreError
from mmip_gpu.store.group.zarr_group import CLAIM, StoreGroup

__all__ = ["Claim", "claimed"]

_FACTS, _SIGN = ".json", ".alive"  # ends of the keys of a claim and of its signs of life, which only a holder gives
_RENEW_SECONDS = 60.0
_STALE_SECONDS = 300.0
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 20.0  # for jobs that began at the same time and withdraw: a few round trips each


@dataclass(frozen=True)
class Claim:
    """The right to write into a place; `key` is None where the place knows no claims."""

    group: StoreGroup
    key: str | None

    def check(self) -> None:
        """Raise StoreError unless the place is still this job's."""
        if self.key is not None and self.group.read_key(self.key + _FACTS) is None:
            raise StoreError(
                f"{self.group}: the claim of this job ended (another job took it over, or this process does not see "
                "the store); nothing more is written"
            )


@contextlib.contextmanager
def claimed(group: StoreGroup) -> Iterator[Claim]:
    """Hold the claim of a place, with a sign of life every minute; given back at the end.

    Raises
    ------
    StoreError
        Where another job holds it, or the place cannot be written.
    """
    if not group.can_claim:
        yield Claim(group, None)
        return
    key = f"{CLAIM}-{time.time_ns():020d}-{uuid.uuid4().hex}"
    claim = Claim(group, key)
    stopped = threading.Event()

    def renew() -> None:
        while not stopped.wait(_RENEW_SECONDS):
            with contextlib.suppress(StoreError):  # a place that fails is met by the job itself
                claim.check()
                group.write_key(key + _SIGN, _encoded(time.time()))

    renewing = threading.Thread(target=renew, name="mmip-claim", daemon=True)
    try:
        group.write_key(key + _FACTS, _encoded(_own_facts()))
        _wait_to_be_alone(group, key)
        group.write_key(key + _SIGN, _encoded(time.time()))
        renewing.start()
        yield claim
    finally:
        stopped.set()
        if renewing.is_alive():
            renewing.join()
        with contextlib.suppress(StoreError):
            _delete(group, key)


def _wait_to_be_alone(group: StoreGroup, key: str) -> None:
    """Return once no other claim is listed beside this one; StoreError where this one has to withdraw."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        names = (name for name in group.names() if name.startswith(CLAIM) and name.endswith(_FACTS))
        keys = {name.removesuffix(_FACTS) for name in names}
        rivals = {other: found for other in sorted(keys - {key}) if (found := _living(group, other)) is not None}
        if key in keys and not rivals:
            return
        for other, found in rivals.items():
            if other < key or "renewed" in found or time.monotonic() > end:
                raise StoreError(
                    f"{group}: another job writes here ({_described(found)}); wait for it, or delete the key "
                    f"{other}{_FACTS} if no job runs: a claim is given up after {_STALE_SECONDS:.0f} s without a sign "
                    "of life"
                )
        if time.monotonic() > end:
            raise StoreError(f"{group}: its claim, the key {key}{_FACTS}, is not listed after it was written")
        time.sleep(_POLL_SECONDS)


def _living(group: StoreGroup, key: str) -> dict[str, Any] | None:
    """What a claim says; None where it is gone, or its job ended without giving it back: then it is deleted."""
    data = group.read_key(key + _FACTS)
    if data is None:
        return None
    found = _parsed(data)
    facts = found if isinstance(found, dict) else {"since": _begun(key)}
    sign = group.read_key(key + _SIGN)
    with contextlib.suppress(ValueError):  # a torn sign is none
        facts |= {"renewed": json.loads(sign)} if sign is not None else {}
    if not _is_stale(facts):
        return facts
    _delete(group, key)
    return None


def _begun(key: str) -> float:
    """When the job of a claim began, by the time in its key; 0 for a key that has none."""
    found = re.match(rf"{CLAIM}-(\d{{1,20}})", key, re.ASCII)
    return int(found[1]) / 1e9 if found else 0.0


def _delete(group: StoreGroup, key: str) -> None:
    for end in (_FACTS, _SIGN):  # a sign without a claim means nothing
        group.delete_key(key + end)


def _is_stale(facts: dict[str, Any]) -> bool:
    """Whether the job that made a claim has ended without giving it back."""
    seen, process = facts.get("renewed", facts.get("since")), facts.get("process")
    if not isinstance(seen, int | float) or not isinstance(process, int | None):
        return False
    own = _own_facts()
    if (
        process is not None
        and all(facts.get(name) == own[name] for name in ("host", "processes"))
        and not _runs(process)
    ):
        return True
    return time.time() - seen > _STALE_SECONDS


def _own_facts() -> dict[str, Any]:
    """Tell what a claim of this process says; containers with the same host name have processes of their own."""
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # only Linux has it
        processes = ""
    return {"host": socket.gethostname(), "processes": processes, "process": os.getpid(), "since": time.time()}


def _runs(process: int) -> bool:
    if os.name == "nt":  # no signal asks a process there without reaching it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _described(facts: dict[str, Any]) -> str:
    since, renewed = facts.get("since"), facts.get("renewed")
    when = ""
    if isinstance(since, int | float):
        when = f", since {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(since))}"
    if isinstance(renewed, int | float):
        when += f", last sign of life {max(time.time() - renewed, 0):.0f} s ago"
    return f"process {facts.get('process')} on {facts.get('host')}{when}"
