"""Jobs that contend for one store; processes that are spawned import them from here."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zarr.storage import LocalStore, WrapperStore

from mmip_gpu.errors import StoreError
from mmip_gpu.store.group import claim as claims
from mmip_gpu.store.group.zarr_group import StoreGroup

JOBS = 3
ROUNDS = 50
SECONDS = 60


class Slow(WrapperStore[Any]):
    """A store far away, each of whose answers takes another time, before and after it is done."""

    async def _far(self, wanted: Any) -> Any:
        await asyncio.sleep(random.random() * 0.005)
        found = await wanted
        await asyncio.sleep(random.random() * 0.005)
        return found

    async def get(self, *args: Any, **options: Any) -> Any:
        return await self._far(super().get(*args, **options))

    async def set(self, *args: Any) -> None:
        await self._far(super().set(*args))

    async def delete(self, key: str) -> None:
        await self._far(super().delete(key))

    async def list_dir(self, prefix: str) -> Any:
        async def names() -> list[str]:
            return [name async for name in WrapperStore.list_dir(self, prefix)]

        for name in await self._far(names()):
            yield name


def left_behind(place: StoreGroup) -> None:
    """Leave what a job elsewhere leaves that died an hour ago."""
    facts = {"host": "elsewhere", "process": 1, "since": time.time() - 7200}
    key = f"{claims.CLAIM}-{0:020d}-dead"
    place.write_key(key + claims._FACTS, json.dumps(facts).encode())
    place.write_key(key + claims._SIGN, json.dumps(facts["since"]).encode())


def outcome(place: StoreGroup, others: Callable[[], object]) -> str:
    """What became of a job that waits for all others before it ends."""
    try:
        with claims.claimed(place) as claim:
            others()
            claim.check()
            return "held"
    except StoreError as error:
        others()
        return "refused" if "another job writes here" in str(error) else str(error)


def process_contends(folder: Path, barrier: Any, outcomes: Any) -> None:
    for number in range(ROUNDS):
        place = StoreGroup(Slow(LocalStore(folder)) if number % 5 == 4 else folder, read_only=False)
        if barrier.wait(SECONDS) == 0 and number % 2:
            left_behind(place)
        barrier.wait(SECONDS)
        outcomes.put((number, outcome(place, lambda: barrier.wait(SECONDS))))
