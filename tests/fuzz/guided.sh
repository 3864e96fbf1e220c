#!/bin/sh
# Fuzzes the core guided by coverage, all kernel copies sanitized: tests/fuzz/guided.sh [SECONDS [FOLDER]]
# Needs clang++ with libFuzzer. PYTHON (default: python3) imports mmip_gpu, which makes the first inputs of kind 1; SEED
# (default: 1) starts the draws; FOLDER (default: a temporary one) keeps objects, inputs and what was found for the next run.
# TARGETS (default: all) names kinds: transform (1), fast (2), small (3), soft (4), jpeg (5), labels (8). They share the
# SECONDS, as many at a time as there are processors. Exit status: not zero on any report or difference.
set -eu

seconds=${1:-60}
targets=${TARGETS:-transform fast small soft jpeg labels}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
core=$here/../../mmip_gpu
if [ $# -ge 2 ]; then
    folder=$2
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/objects"

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
    for target in $targets; do
        echo "$options -c $here/guided_$target.cpp -o ../guided_$target.o"
    done
    find "$core/passes" -name '*.cpp' ! -name '*_isa.cpp' | while read -r file; do
        echo "$options -c $file -o $(object "$file").o"
    done
}
cd "$folder/objects"
jobs | tr '\n' '\0' | xargs -0 -P "$(nproc)" -I '{}' sh -c "clang++ {}"
rm -f ../core.a
ar rc ../core.a ./*.o
cd "$folder"
for target in $targets; do
    mkdir -p "inputs_$target"
    clang++ -fsanitize=fuzzer,address,undefined "guided_$target.o" core.a -o "guided_$target" -lpthread
    [ "$target" != transform ] || "${PYTHON:-python3}" "$here/guided_seeds.py" "inputs_$target"
done

count=$(echo "$targets" | wc -w)
at_once=$(nproc)
[ "$at_once" -lt "$count" ] || at_once=$count
each=$((seconds * at_once / count))
[ "$each" -gt 0 ] || each=1
run="./guided_\$0 -max_total_time=$each -seed=${SEED:-1} -max_len=4000 -entropic=0 -timeout=25 -rss_limit_mb=4096"
run="$run -artifact_prefix=\$0- -print_final_stats=1 inputs_\$0 >\$0.log 2>&1 || { tail -n 60 \$0.log; exit 255; }"
echo "$targets" | tr ' ' '\n' | xargs -P "$at_once" -I '{}' sh -c "$run" '{}'
grep -H 'number_of_executed_units' ./*.log
echo "guided: no report"
