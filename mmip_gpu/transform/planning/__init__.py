"""From what was asked to a plan: trials of settings on samples, and searches of steps, sizes and padding."""
