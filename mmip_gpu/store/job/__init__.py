"""What a writing job is made of: its plan, its tasks, their samples and classes."""
