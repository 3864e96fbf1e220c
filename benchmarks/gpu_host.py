"""The host's share of coding 256 chunks of 1 MB on a device; needs no GPU. The work is done by gpu/host.py."""

import sys

from gpu.host import main

if __name__ == "__main__":
    sys.exit(main())
