"""The claim of a store: who writes into it now, so that two jobs never do.

Values: a Place in; a key in its group, JSON, while a job runs. Outside of FORMAT.md: readers need not know it.
Guarantees that a second job is refused with the owner and the time of the first, that the claim of a job that died
is taken over (at once on its machine, after 5 minutes without a sign of life from elsewhere), and that a job whose
claim was taken over stops writing. Stores that cannot create a key exclusively leave a gap of one round trip.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmip_gpu.errors import StoreError

from .place import CLAIM, Place

__all__ = ["Claim", "claimed"]

_KEY = f"{CLAIM}.json"
_RENEW_SECONDS = 60.0
_STALE_SECONDS = 300.0


@dataclass(frozen=True)
class Claim:
    """The right to write into a place; `token` is None where the place knows no claims."""

    place: Place
    token: str | None

    def check(self) -> None:
        """Raise StoreError unless the place is still this job's."""
        if self.token is None:
            return
        found = _found(self.place)
        if found is None or found.get("token") != self.token:
            now = (
                "it is gone, or this process does not see the store"
                if found is None
                else f"now it is {_described(found)}"
            )
            raise StoreError(f"{self.place}: the claim of this job ended ({now}); nothing more is written")


@contextlib.contextmanager
def claimed(place: Place) -> Iterator[Claim]:
    """Hold the claim of a place, with a sign of life every minute; given back at the end.

    Raises
    ------
    StoreError
        Where another job holds it, or the place cannot be written.
    """
    if not place.can_claim:
        yield Claim(place, None)
        return
    claim = Claim(place, uuid.uuid4().hex)
    facts = {"token": claim.token, "host": socket.gethostname(), "process": os.getpid(), "since": time.time()}
    _take(claim, facts)
    stopped = threading.Event()

    def renew() -> None:
        while not stopped.wait(_RENEW_SECONDS):
            with contextlib.suppress(StoreError):  # a place that fails is met by the job itself
                claim.check()
                place.write_key(_KEY, _encoded(facts))

    renewing = threading.Thread(target=renew, name="mmip-claim", daemon=True)
    renewing.start()
    try:
        yield claim
    finally:
        stopped.set()
        renewing.join()
        with contextlib.suppress(StoreError):
            claim.check()
            place.delete_key(_KEY)


def _take(claim: Claim, facts: dict[str, Any]) -> None:
    place = claim.place
    found = _found(place)
    if found is not None and not _is_stale(found):
        raise StoreError(
            f"{place}: another job writes here ({_described(found)}); wait for it, or delete the key {_KEY} if no job "
            f"runs: a claim is given up after {_STALE_SECONDS:.0f} s without a sign of life"
        )
    place.write_key(_KEY, _encoded(facts), only_new=found is None)
    found = _found(place)
    if found is None or found.get("token") != claim.token:
        raise StoreError(f"{place}: another job began to write here ({_described(found or {})})")


def _found(place: Place) -> dict[str, Any] | None:
    """What the claim says, None without one; a claim that cannot be read says nothing."""
    data = place.read_key(_KEY)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _is_stale(found: dict[str, Any]) -> bool:
    """Whether the job that made a claim has ended without giving it back."""
    renewed, process = found.get("renewed"), found.get("process")
    if not isinstance(renewed, int | float) or not isinstance(process, int):
        return False
    if found.get("host") == socket.gethostname() and not _runs(process):
        return True
    return time.time() - renewed > _STALE_SECONDS


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


def _encoded(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts | {"renewed": time.time()}).encode()


def _described(found: dict[str, Any]) -> str:
    since, renewed = found.get("since"), found.get("renewed")
    when = ""
    if isinstance(since, int | float) and isinstance(renewed, int | float):
        begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(since))
        when = f", since {begun}, last sign of life {max(time.time() - renewed, 0):.0f} s ago"
    return f"process {found.get('process')} on {found.get('host')}{when}"
