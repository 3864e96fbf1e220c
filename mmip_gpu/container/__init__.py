"""The container (FORMAT.md section 1): its header, its payloads, and how bytes of it are found and read."""
