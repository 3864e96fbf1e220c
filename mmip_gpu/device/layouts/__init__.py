"""How what kernels read and write is laid out in memory, as the core exports it."""
