"""All that is to be proved and measured on a GPU; `--help` says how. The work is done by gpu/run_all.py."""

import sys

from gpu.run_all import main

if __name__ == "__main__":
    sys.exit(main())
