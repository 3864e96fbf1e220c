#!/bin/sh
# The whole GPU run in this folder, made by gpu_prepare.py; what is given goes to benchmarks/gpu.py (--device cpu rehearses).
# Needs Python, NumPy and CuPy. The archive of all rows goes to $OUT where that is set. A core for another Python is built here.
cd "$(dirname "$0")" || exit 2
python=${PYTHON:-python3}
export MMIP_COMMIT=unknown MMIP_DATA="$PWD/images" PYTHONPATH="$PWD:$PWD/benchmarks" PYTHONDONTWRITEBYTECODE=1
suffix=$("$python" -c "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))") || exit 2
if [ ! -e "mmip_gpu/_core$suffix" ]; then
    echo "no core for this Python came along: it is built, for some minutes"
    cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DPython_EXECUTABLE="$(command -v "$python")" >build.txt 2>&1 &&
        cmake --build build --parallel >>build.txt 2>&1 || { tail -n 20 build.txt; exit 2; }
    cp "build/_core$suffix" mmip_gpu/ && cp "build/_phases$suffix" mmip_gpu/device/ || exit 2
fi
exec "$python" benchmarks/gpu.py --out rows --archive "${OUT:-.}/gpu_rows.zip" --binaries binaries "$@"
