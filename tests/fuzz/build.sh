#!/bin/sh
# Builds the core with the address and undefined behaviour sanitizers: tests/fuzz/build.sh FOLDER
# Makes FOLDER/tree, a copy of the package with that core, FOLDER/build with its objects, and FOLDER/preload, what Python has
# to load before. CXX (default: clang++ where there is one, else g++); with clang, what runs is counted for libFuzzer.
# PYTHON (default: python3) needs numpy, nanobind, cmake and ninja. A second run builds what has changed.
set -eu

folder=$1
repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
python=$(command -v "${PYTHON:-python3}")
[ -n "${CXX:-}" ] || { command -v clang++ >/dev/null && CXX=clang++ || CXX=g++; }

# A copy of the package without its extensions, so that the sanitized core is imported.
rm -rf "$folder/tree"
mkdir -p "$folder/tree"
(cd "$repository" && tar -cf - --exclude='*.so' --exclude='__pycache__' CMakeLists.txt mmip_gpu tests) | tar -xf - -C "$folder/tree"

more=
if echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    "$CXX" -fsanitize=fuzzer -x c++ - -o "$folder/probe" 2>/dev/null; then
    more="-fsanitize=float-cast-overflow -fsanitize-coverage=inline-8bit-counters,pc-table"
fi
case $("$CXX" --version) in
    *clang*) "$CXX" -print-file-name="libclang_rt.asan-$(uname -m).so" >"$folder/preload" ;;
    *) echo "$("$CXX" -print-file-name=libasan.so):$("$CXX" -print-file-name=libubsan.so)" >"$folder/preload" ;;
esac

# Hardly optimized, and not at all what has most code and takes few of the seconds: else the build takes a quarter of an hour.
sed -i -e 's/-O[23]/-O1/g' -e 's/-fno-sanitize-recover=all -g)/-fno-sanitize-recover=all -fno-omit-frame-pointer -g1)/' "$folder/tree/CMakeLists.txt"
cat >>"$folder/tree/CMakeLists.txt" <<END
foreach(target _core kernels_baseline kernels_avx2 predictive_baseline predictive_avx2 predictive_avx512)
  if(TARGET \${target})
    target_compile_options(\${target} PRIVATE $more)
  endif()
endforeach()
file(GLOB large mmip_gpu/bindings/*.cpp \${passes}/labels/*.cpp)
set_source_files_properties(\${large} \${passes}/blocks/analyze_isa.cpp \${passes}/blocks/closing_isa.cpp \${passes}/blocks/synthesize_isa.cpp
  \${passes}/padding/fill.cpp \${passes}/predictive/mixed.cpp \${passes}/jpegorigin/jpeg_bands.cpp PROPERTIES COMPILE_OPTIONS -O0)
END

cmake -S "$folder/tree" -B "$folder/build" -G Ninja -DMMIP_SANITIZE=ON -DCMAKE_BUILD_TYPE=Release \
    "-DCMAKE_CXX_COMPILER=$CXX" "-DPython_EXECUTABLE=$python" >"$folder/cmake.log"
ninja -C "$folder/build" _core >"$folder/ninja.log" || { grep -A 20 -E 'error|FAILED' "$folder/ninja.log" | head -n 60; exit 1; }
cp "$folder"/build/_core*.so "$folder/tree/mmip_gpu/"
