"""Decoding on a device: payload heads, sub-streams, synthesis, finishing."""
