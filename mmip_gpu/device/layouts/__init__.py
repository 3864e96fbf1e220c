"""Memory layouts that kernels and Python share: parameters, items, pointers."""
