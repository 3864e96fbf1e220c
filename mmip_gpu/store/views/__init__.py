"""Stores for viewers: pyramids, exports, and images over HTTP."""
