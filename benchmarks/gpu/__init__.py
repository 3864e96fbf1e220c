"""Studies of the GPU path: python benchmarks/gpu.py, gpu_prepare.py and gpu_host.py."""
