"""How what kernels read and write is laid out, as the core exports it."""
