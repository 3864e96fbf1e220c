"""Networks of the benchmark: segmentation by star-convex polygons, and of membranes; needs torch (`neural`).

Nothing of the package imports this room but the benchmark, and that only where a network is asked for.
"""
