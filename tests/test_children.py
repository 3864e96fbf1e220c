"""Children of tests end: at their time, where a test fails, and by signals that the run itself ignores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import children

SLEEP = [sys.executable, "-c", "import time; time.sleep(100)"]


def test_a_child_is_killed_at_its_time(monkeypatch):
    monkeypatch.setattr(children, "CHILD_SECONDS", 0.2)
    started = time.monotonic()
    assert subprocess.run(SLEEP, check=False).returncode == -signal.SIGKILL
    with subprocess.Popen(SLEEP) as child:
        assert child.wait() == -signal.SIGKILL
    assert time.monotonic() - started < 20


def test_a_child_is_killed_where_its_test_fails():
    with pytest.raises(ZeroDivisionError), subprocess.Popen(SLEEP) as child:
        raise ZeroDivisionError
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("ends", ["CHILD_SECONDS", "SUITE_SECONDS"])
def test_a_run_whose_signals_are_ignored(ends):
    code = f"""
        import subprocess, sys
        from helpers import children
        children.{ends} = 3
        children.watch_children()
        subprocess.run([sys.executable, '-c', 'import time, signal, os; os.kill(os.getpid(), signal.SIGINT)'])
        sys.exit(subprocess.run({SLEEP!r}).returncode != -9)
    """
    code = "\n".join(line.strip() for line in code.splitlines())
    env = {"PYTHONPATH": str(Path(__file__).parent)}
    line = f"trap '' INT; exec {sys.executable} -c \"$0\""
    done = subprocess.run(
        ["sh", "-c", line, code],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (3 if ends == "SUITE_SECONDS" else 0), done.stderr
    assert "KeyboardInterrupt" in done.stderr
