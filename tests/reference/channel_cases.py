"""Headers of random streams whose channels have steps of their own (random_streams.py)."""

from .container import Header

CHANNEL_CASES = {
    "channels": Header(
        (2, 41, 4, 29),
        "tycx",
        correction=5,
        steps=((300, 64, 5000, 256),),
        channels=((0, 0, 0, (1 << 32) - 1),) * 4,
        mode=2,
        requested=5.5,
        channel_requested=(5.5, 0.0, 1.0, 1.0),
        channel_errors=(5, 0, 1, 1),
    ),
    "channels_3d": Header(
        (9, 20, 17, 2),
        "zyxc",
        cell_depth=8,
        tile_log2=(1, 1, 2),
        dtype=4,
        value_step=0.5,
        max_error=2.5,
        sse=4.0,
        channels=((0.0, 0.0, 3.5, 2.5), (0.0, 0.0, 0.5, 0.5)),
        reversible=(0, 1),
        steps=((512, 9000), (256, 256)),
    ),
}
