"""The version of this library; `pyproject.toml` has the same, which a test compares. The format has its own number."""

__version__ = "0.1.0"
