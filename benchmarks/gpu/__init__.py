"""Studies of the GPU path: python -m gpu.run_all with PYTHONPATH=benchmarks."""
