#!/bin/sh
# Fuzzes the core guided by coverage, both kernel copies sanitized: tests/fuzz/guided.sh [SECONDS [FOLDER]]
# Needs clang++ with libFuzzer. PYTHON (default: python3) imports mmip_gpu, which makes the first inputs; FOLDER (default: a
# temporary one) keeps objects, inputs and what was found for the next run. Exit status: not zero on any report or difference.
set -eu

seconds=${1:-60}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
core=$here/../../mmip_gpu
if [ $# -ge 2 ]; then
    folder=$2
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/objects" "$folder/inputs"

options="-std=gnu++17 -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow"
options="$options -fno-sanitize-recover=all -ffp-contract=off -fno-fast-math -fno-math-errno -fno-trapping-math -Wno-psabi"
options="$options -fno-strict-aliasing -I$core"
copies=baseline
if [ "$(uname -m)" = x86_64 ]; then
    copies="baseline avx2"
    options="$options -DMMIP_X86=1"
fi

jobs() {
    echo "$options -c $here/guided.cpp -o guided.o"
    find "$core/passes" -name '*.cpp' ! -name '*_isa.cpp' | while read -r file; do
        echo "$options -c $file -o $(basename "$file" .cpp).o"
    done
    find "$core/passes" -name '*_isa.cpp' | while read -r file; do
        for copy in $copies; do
            flags="-DMMIP_NS=mmip_$copy -DMMIP_ISA_TEXT='\"$copy\"'"
            case $copy in
                avx2) flags="$flags -DMMIP_TABLE_NAME=kAvx2Kernels -mavx2 -mbmi -mbmi2 -mlzcnt" ;;
                *) flags="$flags -DMMIP_TABLE_NAME=kBaselineKernels" ;;
            esac
            # not optimized: clang takes minutes for these with all sanitizers
            echo "$options $flags -O0 -c $file -o $(basename "$file" .cpp)_$copy.o"
        done
    done
}
cd "$folder/objects"
jobs | tr '\n' '\0' | xargs -0 -P "$(nproc)" -I '{}' sh -c "clang++ {}"
clang++ -fsanitize=fuzzer,address,undefined ./*.o -o ../guided -lpthread
cd "$folder"
"${PYTHON:-python3}" "$here/guided_seeds.py" inputs
./guided -max_total_time="$seconds" -seed=1 -max_len=20000 -timeout=25 -rss_limit_mb=4096 -print_final_stats=1 inputs
echo "guided: no report"
