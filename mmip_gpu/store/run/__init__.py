"""Who runs tasks: threads, a device, a cluster."""
