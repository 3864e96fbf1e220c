#!/bin/sh
# Fuzzes the core that build.sh makes through Python, behind the checksums: tests/fuzz/sanitize.sh [SECONDS [FOLDER]]
# PYTHON and CXX as there; FOLDER (default: a temporary one) keeps the build for the next run, and for guided.sh.
# Exit status: not zero on any report of a sanitizer, any crash, and any exception that is not an error kind of mmip_gpu.
set -eu

seconds=${1:-30}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
python=$(command -v "${PYTHON:-python3}")
if [ $# -ge 2 ]; then
    folder=$2
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
sh "$here/build.sh" "$folder"

# Leaks are left out: the interpreter has its own.
run() {
    script=$1
    shift
    LD_PRELOAD="$(cat "$folder/preload")" \
        ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=0 \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
        PYTHONPATH="$folder/tree" PYTHONDONTWRITEBYTECODE=1 \
        "$python" -X faulthandler "$folder/tree/tests/fuzz/$script.py" "$@"
}
run fuzz_decode --round-trips
run fuzz_decode --seconds "$seconds" --seed 1
run fuzz_soft --count $((seconds * 20)) --seed 1
run fuzz_jpegorigin --count $((seconds * 5)) --seed 1
echo "sanitize: no report"
