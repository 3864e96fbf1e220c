"""Where kernels run: the host's executor, CUDA through CuPy, clocks, and the choice between host and device."""
