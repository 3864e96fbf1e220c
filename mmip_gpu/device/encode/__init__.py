"""Encoding on a device: samples, search, quantization, packing."""
