"""Reading a store: lazy arrays of its stages, and the byte ranges that a region needs."""
