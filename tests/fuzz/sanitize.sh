#!/bin/sh
# Builds the core with the address and undefined behaviour sanitizers and fuzzes it: tests/fuzz/sanitize.sh [SECONDS [FOLDER]]
# PYTHON (default: python3) needs numpy and nanobind; FOLDER (default: a temporary one) keeps the build for the next run.
# Exit status: not zero on any report of a sanitizer, any crash, and any exception that is not an error kind of mmip_gpu.
set -eu

seconds=${1:-30}
repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
python=$(command -v "${PYTHON:-python3}")
if [ $# -ge 2 ]; then
    folder=$2
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi

# A copy of the package without its extensions, so that the sanitized core is imported.
rm -rf "$folder/tree"
mkdir -p "$folder/tree"
(cd "$repository" && tar -cf - --exclude='*.so' --exclude='__pycache__' CMakeLists.txt mmip_gpu tests) | tar -xf - -C "$folder/tree"

# Lightly optimized, and the kernels of blocks not at all: the whole build then takes minutes, not a quarter of an hour.
sed -i -e 's/-O[23]/-O1/g' "$folder/tree/CMakeLists.txt"
cat >>"$folder/tree/CMakeLists.txt" <<'END'
set_source_files_properties(${passes}/blocks/analyze_isa.cpp ${passes}/blocks/synthesize_isa.cpp PROPERTIES COMPILE_OPTIONS -O0)
END

cmake -S "$folder/tree" -B "$folder/build" -G Ninja -DMMIP_SANITIZE=ON -DCMAKE_BUILD_TYPE=Release \
    "-DPython_EXECUTABLE=$python" >"$folder/cmake.log"
ninja -C "$folder/build" _core >"$folder/ninja.log" || { tail -n 40 "$folder/ninja.log"; exit 1; }
cp "$folder"/build/_core*.so "$folder/tree/mmip_gpu/"

# Leaks are left out: the interpreter has its own.
run() {
    script=$1
    shift
    LD_PRELOAD="$(g++ -print-file-name=libasan.so):$(g++ -print-file-name=libubsan.so)" \
        ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=0 \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
        PYTHONPATH="$folder/tree" PYTHONDONTWRITEBYTECODE=1 \
        "$python" -X faulthandler "$folder/tree/tests/fuzz/$script.py" "$@"
}
run fuzz_decode --round-trips
run fuzz_decode --seconds "$seconds" --seed 1
run fuzz_soft --count $((seconds * 20)) --seed 1
echo "sanitize: no report"
