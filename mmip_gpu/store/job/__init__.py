"""A writing job: its arguments, its plan, its tasks, and their samples and classes."""
