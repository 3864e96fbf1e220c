"""The pages that state measured figures, made from result rows: measured.md, and blocks of README.md and other pages.

Rows of benchmarks/results in, Markdown out. Every figure is read from a row or computed from rows here; no figure is
typed. `measured.py` beside this package writes the pages and compares them.
"""
