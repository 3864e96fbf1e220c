#!/bin/sh
# Builds the core with a second compiler, warnings being errors, and compares its bytes with those of the installed package:
# tests/compilers/compare.sh [COMPILER [FOLDER]]
# COMPILER (default: clang++); PYTHON (default: python3) has mmip_gpu installed, nanobind, cmake and ninja; FOLDER (default: a
# temporary one) keeps the build for the next run. Exit status: not zero where a warning, or a byte that differs, is found.
set -eu

compiler=${1:-clang++}
repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
python=$(command -v "${PYTHON:-python3}")
if [ $# -ge 2 ]; then
    folder=$2
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
command -v "$compiler" >/dev/null || { echo "compare: no $compiler; install it (Debian: apt-get install clang)" >&2; exit 1; }

cmake -S "$repository" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_COMPILER=$compiler" \
    -DCMAKE_CXX_FLAGS=-Werror "-DPython_EXECUTABLE=$python" >"$folder/cmake.log"
ninja -C "$folder/build" _core >"$folder/ninja.log" || { grep -A 20 -E 'error|warning' "$folder/ninja.log" | head -n 60; exit 1; }

# The package with the core of the second compiler; both are asked outside of the source tree.
rm -rf "$folder/tree"
mkdir -p "$folder/tree"
(cd "$repository" && tar -cf - --exclude='*.so' --exclude='__pycache__' mmip_gpu) | tar -xf - -C "$folder/tree"
cp "$folder"/build/_core*.so "$folder/tree/mmip_gpu/"

cd "$folder"
PYTHONPATH="$folder/tree" "$python" -P "$repository/tests/compilers/digest.py" >second.txt &
"$python" -P "$repository/tests/compilers/digest.py" >installed.txt
wait $!
diff installed.txt second.txt >different.txt || { head -n 20 different.txt; echo "compare: $compiler makes other bytes" >&2; exit 1; }
echo "compare: $(wc -l <second.txt) checksums agree"
