"""The planner: from what was asked for to a plan, by trying settings on samples and by searching steps and sizes."""
