"""Writing, checking, repairing and fetching stores."""
