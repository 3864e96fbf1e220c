#!/bin/sh
# Fuzzes the core guided by coverage, all kernel copies sanitized: tests/fuzz/guided.sh [SECONDS [FOLDER]]
# Needs clang++ with libFuzzer. PYTHON as in build.sh, with mmip_gpu, which makes the first inputs of kind 1; SEED (default: 1)
# starts the draws; FOLDER (default: a temporary one) keeps objects, inputs and what was found for the next run.
# TARGETS (default: all) names kinds: transform (1), fast (2), small (3), soft (4), jpeg (5), labels (8). They share the
# SECONDS, as many at a time as there are processors. Exit status: not zero on any report or difference.
set -eu

seconds=${1:-60}
targets=${TARGETS:-transform fast small soft jpeg labels}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
if [ $# -ge 2 ]; then
    folder=$2
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
CXX=clang++ sh "$here/build.sh" "$folder"
cd "$folder"

# Guided by edges alone: libFuzzer's records of comparisons took half of the time, and there is no checksum to guess.
options="-std=gnu++17 -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Wno-psabi"
find build/CMakeFiles -name '*.cpp.o' -path '*/passes/*' >objects
echo "$targets" | tr ' ' '\n' | xargs -P "$(nproc)" -I '{}' sh -c \
    "mkdir -p inputs_{} && clang++ $options -Itree/mmip_gpu tree/tests/fuzz/guided_{}.cpp \$(cat objects) -o guided_{} -lpthread"
case " $targets " in
    *" transform "*) "${PYTHON:-python3}" "$here/guided_seeds.py" inputs_transform ;;
esac

count=$(echo "$targets" | wc -w)
at_once=$(nproc)
[ "$at_once" -lt "$count" ] || at_once=$count
each=$((seconds * at_once / count))
[ "$each" -gt 0 ] || each=1
run="./guided_\$0 -max_total_time=$each -seed=${SEED:-1} -max_len=4000 -len_control=0 -entropic=0 -timeout=25 -rss_limit_mb=4096"
run="$run -artifact_prefix=\$0- -print_final_stats=1 inputs_\$0 >\$0.log 2>&1 || { tail -n 60 \$0.log; exit 255; }"
echo "$targets" | tr ' ' '\n' | xargs -P "$at_once" -I '{}' sh -c "$run" '{}'
for target in $targets; do
    echo "$target: $(sed -n 's/stat::number_of_executed_units: *//p' "$target.log") executions"
done
echo "guided: no report"
