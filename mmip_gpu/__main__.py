"""``python -m mmip_gpu`` is the command ``mmip``."""

from __future__ import annotations

from mmip_gpu.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
