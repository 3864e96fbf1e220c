#!/bin/sh
# Fuzzes the core guided by coverage, both kernel copies sanitized: tests/fuzz/guided.sh [SECONDS [FOLDER]]
# Needs clang++ with libFuzzer. PYTHON (default: python3) imports mmip_gpu, which makes the first inputs; SEED (default: 1)
# starts the draws; FOLDER (default: a temporary one) keeps objects, inputs and what was found for the next run.
# TARGET (default: guided) is the file of the harness: guided.cpp of kind 1, guided_labels.cpp of kind 8.
# Exit status: not zero on any report or difference.
set -eu

seconds=${1:-60}
target=${TARGET:-guided}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
core=$here/../../mmip_gpu
if [ $# -ge 2 ]; then
    folder=$2
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/objects" "$folder/inputs"

# Guided by edges alone: libFuzzer's records of comparisons took half of the time, and there is no checksum to guess.
options="-std=gnu++17 -O1 -g1 -fno-omit-frame-pointer -fsanitize-coverage=inline-8bit-counters,pc-table"
options="$options -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -ffp-contract=off"
options="$options -fno-fast-math -fno-math-errno -fno-trapping-math -Wno-psabi -fno-strict-aliasing -I$core"
copies=baseline wide= avx2="-mavx2 -mbmi -mbmi2 -mlzcnt"
if [ "$(uname -m)" = x86_64 ]; then
    copies="baseline avx2" wide=avx512
    options="$options -DMMIP_X86=1"
fi

object() {  # a name for each file: some folders have files of one name
    echo "${1#"$core"/passes/}" | sed "s|/|-|g; s|\.cpp$||"
}

jobs() {
    echo "$options -c $here/$target.cpp -o harness.o"
    find "$core/passes" -name '*.cpp' ! -name '*_isa.cpp' | while read -r file; do
        echo "$options -c $file -o $(object "$file").o"
    done
    find "$core/passes" -name '*_isa.cpp' | while read -r file; do
        case $file in */predictive/*) own="$copies $wide" ;; *) own=$copies ;; esac
        for copy in $own; do
            flags="-DMMIP_NS=mmip_$copy -DMMIP_ISA_TEXT='\"$copy\"'"
            case $copy in
                avx512) flags="$flags -DMMIP_PREDICTIVE_TABLE=kAvx512Predictive $avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl" ;;
                avx2) flags="$flags -DMMIP_TABLE_NAME=kAvx2Kernels -DMMIP_PREDICTIVE_TABLE=kAvx2Predictive $avx2" ;;
                *) flags="$flags -DMMIP_TABLE_NAME=kBaselineKernels -DMMIP_PREDICTIVE_TABLE=kBaselinePredictive" ;;
            esac
            # blocks are not optimized: clang takes a quarter of an hour for these, and they take few of the seconds
            case $file in */blocks/*) flags="$flags -O0" ;; esac
            echo "$options $flags -c $file -o $(object "$file")_$copy.o"
        done
    done
}
cd "$folder/objects"
jobs | tr '\n' '\0' | xargs -0 -P "$(nproc)" -I '{}' sh -c "clang++ {}"
clang++ -fsanitize=fuzzer,address,undefined ./*.o -o ../guided -lpthread
cd "$folder"
[ "$target" != guided ] || "${PYTHON:-python3}" "$here/guided_seeds.py" inputs
./guided -max_total_time="$seconds" -seed="${SEED:-1}" -max_len=4000 -entropic=0 -timeout=25 -rss_limit_mb=4096 \
    -print_final_stats=1 inputs
echo "$target: no report"
