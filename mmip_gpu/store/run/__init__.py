"""Runners of tasks: threads, a device, a cluster."""
