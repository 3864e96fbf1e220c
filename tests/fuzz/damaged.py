"""Bytes and JSON texts damaged by a seed, and rounds of a fuzzer whose number repeats any of them."""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from mmip_gpu.errors import MmipError

SLOWEST = 20  # seconds of a round
MOST_MEMORY = 4 << 30
BYTES = (0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255)
VALUES = (
    None,
    True,
    "",
    "x",
    -1,
    0,
    1,
    2,
    7,
    255,
    65536,
    2**31,
    2**63,
    1e300,
    0.5,
    [],
    {},
    [0],
    ["../x"],
    "../../x",
    "é",
)


def damaged(data: bytes, random: Random, most: int = 4) -> bytes:
    """Some bytes changed, taken out, put in or moved; seldom nothing."""
    out = bytearray(data)
    for _ in range(random.randint(1, most)):
        at = random.randrange(len(out) + 1)
        action = random.randrange(8)
        if action <= 2 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif action == 3 and at < len(out):
            out[at] = random.choice(BYTES)
        elif action == 4:
            out[at : at + random.randint(1, 8)] = random.randbytes(random.randint(1, 8))
        elif action == 5:
            del out[at : at + random.randint(1, 4)]
        elif action == 6:
            out[at:at] = out[at : at + random.randint(1, 16)]
        elif random.random() < 0.2:
            del out[at:]
    return bytes(out)


def damaged_near(data: bytes, random: Random, start: int, end: int) -> bytes:
    """The same, but only inside a range."""
    return data[:start] + damaged(data[start:end], random) + data[end:]


def damaged_json(text: str, random: Random) -> str:
    """A value of a JSON text replaced, taken out or doubled."""
    tree: Any = json.loads(text)
    for _ in range(random.randint(1, 2)):
        places: list[tuple[Any, Any]] = []
        open_nodes = [tree]
        while open_nodes:
            node = open_nodes.pop()
            items = node.items() if isinstance(node, dict) else enumerate(node)
            for key, value in items:
                places.append((node, key))
                if isinstance(value, dict | list):
                    open_nodes.append(value)
        if not places:
            break
        node, key = random.choice(places)
        if random.random() < 0.2:
            del node[key]
        else:
            node[key] = random.choice((*VALUES, node[random.choice(list(node))] if isinstance(node, dict) else node))
            if node[key] is node:
                node[key] = None
    return json.dumps(tree)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """TimeoutError in what takes longer of a processor, or ten times longer where others take it, or by waiting."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, 10 * seconds))
    before = [signal.signal(number, late) for _, number, _ in clocks]
    for clock, _, limit in clocks:
        signal.setitimer(clock, limit)
    try:
        yield
    finally:
        for (clock, number, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


def rounds(one: Callable[[Random], str], seed: int, first: int, count: int) -> Counter[str]:
    """Outcomes of these rounds; a fault is printed with what repeats it, and counted as "fault: its last lines".

    A fault is any exception that is not of the package, and a round that takes too long.
    """
    seen: Counter[str] = Counter()
    for number in range(first, first + count):
        started = time.monotonic()
        try:
            with warnings.catch_warnings(), time_limit(SLOWEST):
                warnings.simplefilter("ignore")
                seen[one(Random(f"{seed}-{number}"))] += 1
        except MmipError as error:
            seen[type(error).__name__] += 1
        except Exception as error:  # whatever is not an error kind of the package is a fault
            where = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in where if "mmip_gpu" in frame.filename] or where
            text = f"fault: {type(error).__name__}: {str(error)[:80]} at {ours[-1].filename}:{ours[-1].lineno}"
            if text not in seen:
                traceback.print_exc()
                print(f"repeat with --seed {seed} --first {number} --count 1", file=sys.stderr)
            seen[text] += 1
        seen["seconds, longest"] = max(seen["seconds, longest"], round(time.monotonic() - started))
    return seen


def limit_memory() -> None:
    """No allocation beyond a few GB more than now (sanitizers reserve terabytes): what asks for more is a fault."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def report(seen: Mapping[str, int]) -> int:
    """Print what was seen; 1 for faults."""
    for name, times in sorted(seen.items()):
        print(f"{times:8} {name}")
    return int(any(name.startswith("fault") for name in seen))


def command(text: str | None, fuzz: Callable[[int, int, int], Counter[str]]) -> int:
    """Parse the command line of a fuzzer and run it in bounded memory; the exit status."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    args = parser.parse_args()
    limit_memory()
    return report(fuzz(args.seed, args.first, args.count))
