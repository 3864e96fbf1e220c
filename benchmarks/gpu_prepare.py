"""The folder to carry to a machine with a GPU; `--help` says how. The work is done by gpu/prepare.py."""

import sys

from gpu.prepare import main

if __name__ == "__main__":
    sys.exit(main())
