"""Reading: lazy arrays of stages, and the byte ranges that a region needs."""
