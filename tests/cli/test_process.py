"""The command line as a process: exit codes, streams, a closed pipe, an interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import mmip_gpu


class TestProcess:
    def call(self, *arguments):
        environment = os.environ | {"PYTHONPATH": str(Path(mmip_gpu.__file__).parents[1])}
        command = [sys.executable, "-m", "mmip_gpu", *map(str, arguments)]
        return subprocess.Popen(command, env=environment, text=True, stdout=-1, stderr=-1)

    def test_exit_code_and_streams(self, tmp_path):
        with self.call("phantom", "--size", 16, "-o", tmp_path / "a.npy") as process:
            out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        assert out.startswith(str(tmp_path))
        with self.call("decode", tmp_path / "a.npy", "-o", tmp_path / "b.npy") as process:
            out, err = process.communicate()
        assert (process.returncode, out) == (2, "")
        assert err.startswith("mmip: CorruptData: ")
        assert "Traceback" not in err

    def test_closed_pipe(self, walk):
        with self.call("info", "--json", walk / "results/q10.mmip") as process:
            process.stdout.close()
            assert (process.wait(), process.stderr.read()) == (0, "")

    def test_interrupt(self, tmp_path):
        arguments = ("phantom", "--volume", "100000x512x512", "-o", tmp_path / "a.npy")
        with self.call(*arguments) as process:
            while not list(tmp_path.iterdir()):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert "run the same command again" in process.stderr.read()
        assert not list(tmp_path.iterdir())

    def test_help_imports_no_heavy_package(self):
        code = (
            "import sys\nfrom mmip_gpu.cli import main\n"
            "try: main(['--help'])\nexcept SystemExit: pass\n"
            "print([m for m in ('zarr', 'skimage', 'matplotlib', 'tqdm', 'pydicom') if m in sys.modules])"
        )
        environment = os.environ | {"PYTHONPATH": str(Path(mmip_gpu.__file__).parents[1])}
        found = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert found.stdout.endswith("[]\n")
