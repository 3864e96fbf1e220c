"""Headers of random streams whose slices follow each other along t or n (random_streams.py)."""

from .container import Header

SLICE_CASES = {
    "predicted_times": Header(
        (3, 64, 72), "tyx", slice_axis="t", tile_log2=(1, 4, 4), cuts=(7,), steps=((500,),), dtype=2, prediction=1
    ),
    "sliced_planes": Header(
        (2, 3, 2, 3, 9, 11), "ctnzyx", slice_axis="n", tile_log2=(1, 2, 2), cuts=(8,), dtype=1, padding=9, correction=2
    ),
    "sliced_image": Header(
        (2, 70, 3, 72), "zytx", slice_axis="t", tile_log2=(1, 3, 3), dtype=3, steps=((400,),), dc_image=(20, 9, 1)
    ),
}
