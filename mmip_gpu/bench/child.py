"""Jobs in processes of their own: what a codec does to its process is a result, and never the end of a run.

Values: a `BenchImage` and a `Job` in; the measured part of a record for every setting, in their order, out. A server
process imports the codecs once and forks a child a job: a session of its own, a clock that ends it for each setting, no
core file. Guarantees that children end with the run, even where it is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import BinaryIO

import numpy as np

from mmip_gpu.bench.images import BenchImage
from mmip_gpu.bench.job import Job, Measured, failed, run_job
from mmip_gpu.bench.measures import all_metrics
from mmip_gpu.bench.records import as_stored
from mmip_gpu.bench.tasks import task_named, tasks

__all__ = ["Worker"]

_ENDED = "ended"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LAST_WORDS = 300
_END_WITH_PARENT = 1  # prctl's number on Linux; elsewhere a child outlives a server that is killed, up to its limit


class Worker:
    """The parent's end: does jobs one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> from mmip_gpu.bench.settings import Setting
    >>> image = BenchImage("ramp", np.arange(1024, dtype=np.uint16).reshape(32, 32), "yx", 10)
    >>> with Worker() as worker:
    ...     [found] = worker.measured(image, Job("PNG lossless", None, "gray", (Setting("lossless"),)))
    >>> found["status"]
    'ok'
    """

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._image: BenchImage | None = None
        self._end: int | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the worker
        self._is_running = self._is_closed = False

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End, and with it the job that another thread may wait for."""
        self._is_closed = True
        self._stop()
        self._errors.close()

    def measured(self, image: BenchImage, job: Job) -> Iterator[Measured]:
        """Yield a result for every setting of the job; where its process ends, the next settings get another."""
        todo = deque(job.settings)
        while todo and not self._is_closed:
            try:
                self._send(image, replace(job, settings=tuple(todo)))
                for found in self._results():
                    todo.popleft()
                    yield found
            except BrokenPipeError:
                self._is_running = False
                self._stop()
            if todo and not self._is_closed:
                todo.popleft()
                yield failed(self._how_it_ended(job))

    def _send(self, image: BenchImage, job: Job) -> None:
        if self._is_running:  # its results were not all asked for
            deque(self._results(), 0)
        self._end, self._is_running = None, True
        if self._server is not None and self._server.poll() is not None:
            self._stop()
        if self._server is None:
            self._start()
        assert self._server is not None
        assert self._server.stdin is not None
        self._words_before = os.fstat(self._errors.fileno()).st_size
        if image is not self._image:
            pickle.dump(image, self._server.stdin)
            self._image = image
        pickle.dump(job, self._server.stdin)
        self._server.stdin.flush()

    def _results(self) -> Iterator[Measured]:
        """Yield what the child measures until it ends."""
        for line in iter(self._lines.readline, b""):
            try:
                found = json.loads(line)
            except ValueError:  # torn by the end of the child
                continue
            if _ENDED in found:
                self._end, self._is_running = found[_ENDED], False
                return
            yield found
        self._is_running = False
        self._stop()  # the server itself ended

    def _how_it_ended(self, job: Job) -> str:
        end = self._end
        if end == -signal.SIGALRM:
            return f"ran past its time limit of {job.limit:g} s"
        said = self._last_words()
        if end is not None and end < 0:
            return f"its process crashed by {signal.Signals(-end).name}{said}"
        return f"its process ended{'' if end is None else f' with exit code {end}'}{said}"

    def _last_words(self) -> str:
        """What the process wrote on standard error, its last line."""
        self._errors.seek(max(self._words_before, os.fstat(self._errors.fileno()).st_size - _LAST_WORDS))
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1]}" if said else ""

    def _start(self) -> None:
        read, write = os.pipe()
        command = [sys.executable, "-m", "mmip_gpu.bench.child", str(write)]
        environment = (
            os.environ | dict.fromkeys(_THREADS, "1") | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        )
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors, pass_fds=(write,),
            start_new_session=True, env=environment,
        )  # fmt: skip
        os.close(write)
        self._lines, self._image = os.fdopen(read, "rb"), None

    def _stop(self) -> None:
        """Let the server end, and with it its child; the next job starts another."""
        server, self._server = self._server, None
        if server is not None and server.stdin is not None:
            with contextlib.suppress(OSError):
                server.stdin.close()
            server.wait()
            self._lines.close()


def serve(requests: BinaryIO, results: int) -> None:
    """Fork a child for every job that is asked for, until the requests end."""
    image: BenchImage | None = None
    while True:
        try:
            asked = pickle.load(requests)
        except EOFError:
            return
        if isinstance(asked, BenchImage):
            image = asked
        else:
            assert image is not None
            for name in asked.tasks:
                with contextlib.suppress(Exception):  # the child says why
                    task_named(name)  # a network: its library and weights are loaded once for all children
            _fork(requests, results, asked, image)


def _fork(requests: BinaryIO, results: int, job: Job, image: BenchImage) -> None:
    """Run one job in a child, wait for it, and say how it ended."""
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(requests.fileno())
            os.setsid()
            _child(results, job, image)
            code = 0
        finally:
            os._exit(code)
    os.close(held)
    readable, _, _ = select.select([alive, requests.fileno()], [], [])
    parent_is_gone = alive not in readable
    if parent_is_gone:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what it left behind
    os.close(alive)
    if parent_is_gone:
        sys.exit()
    _write(results, b"\n" + json.dumps({_ENDED: os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def _child(results: int, job: Job, image: BenchImage) -> None:
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def begin() -> None:
        if job.limit is not None:
            signal.setitimer(signal.ITIMER_REAL, job.limit)

    for found in run_job(job, image, begin):
        _write(results, json.dumps(as_stored(found)).encode() + b"\n")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _preload() -> None:
    """Import what every child needs, so that it need not: libraries load their parts when these are first used."""
    from mmip_gpu.bench import report  # noqa: F401
    from mmip_gpu.bench.codec_registry import codecs

    codecs(None)
    image = BenchImage("any", np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8), "yxc", 8)
    grey = replace(image, array=np.ascontiguousarray(image.array[..., 0]), axes="yx")
    for use in (
        lambda: all_metrics(grey.array, grey.array + 1, "yx", 255, {}),
        lambda: tasks["membranes"].score(grey, grey.array + 1),
        lambda: tasks["nuclei"].score(image, image.array + 1),
    ):
        with contextlib.suppress(Exception):
            use()


if __name__ == "__main__":
    _preload()
    serve(sys.stdin.buffer, int(sys.argv[1]))
