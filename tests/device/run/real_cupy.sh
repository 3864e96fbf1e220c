#!/usr/bin/env bash
# The tests of the real CuPy in an environment of its own beside that of the tests: real_cupy.sh VENV NEW_VENV PACKAGE ..
# CuPy 13 does not find NVRTC among packages, so it is put into the path of libraries.
set -euo pipefail
tests=$1 own=$2
shift 2
"$tests/bin/python" -m venv "$own"
"$own/bin/pip" install --quiet "$@"
packages() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
LD_LIBRARY_PATH="$(packages "$own")/nvidia/cuda_nvrtc/lib" PYTHONPATH="$(packages "$tests")" \
    "$own/bin/python" -P -m pytest -q -p no:cacheprovider tests/device/run/test_real_cupy.py
