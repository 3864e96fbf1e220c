"""What several tests share: makers of input, stand-ins for devices, sources for worker processes."""
