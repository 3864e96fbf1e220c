"""The networks: a U-Net with a head for star-convex polygons, or with one for the probability of a membrane.

Values: float32 images (batch, channel, y, x), sides multiples of `NetworkShape.stride`, in; logits, and distances along
rays in samples, on every `grid`-th sample, out. Layers bear the names that StarDist gives them (Schmidt et al. 2018),
so that its weights fit; see keras_weights.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from mmip_gpu.errors import InvalidArgument

__all__ = ["KINDS", "Network", "NetworkShape", "folded", "new_network"]

KINDS = ("stars", "membranes")
HEADS = ("prob", "dist")


@dataclass(frozen=True)
class NetworkShape:
    """What a network looks like.

    Parameters
    ----------
    kind : str
        "stars" or "membranes".
    channels : int
        Of the image.
    rays : int
        Directions of a polygon; 0 for membranes.
    grid : int
        The network predicts on every `grid`-th sample: 1, 2 or 4.
    base : int
        Filters of the first level; each deeper one has twice as many.
    depth : int
        Levels below the first.
    features : int
        Filters of the layer before the heads; 0 for none.
    """

    kind: str
    channels: int
    rays: int = 32
    grid: int = 1
    base: int = 32
    depth: int = 3
    features: int = 128

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidArgument(f"kind of a network: expected one of {', '.join(KINDS)}, found {self.kind!r}")
        least = {"channels": 1, "base": 1, "depth": 1, "features": 0, "rays": 4 if self.kind == "stars" else 0}
        for name, value in least.items():
            found = getattr(self, name)
            if not isinstance(found, int) or found < value:
                raise InvalidArgument(f"{name} of a network: expected an integer from {value}, found {found!r}")
        if self.grid not in {1, 2, 4}:
            raise InvalidArgument(f"grid of a network: expected 1, 2 or 4, found {self.grid!r}")

    @property
    def stride(self) -> int:
        """What the sides of an image must be multiples of."""
        return int(self.grid * 2**self.depth)

    @property
    def facts(self) -> dict[str, Any]:
        """Its part of the file beside the weights."""
        return asdict(self)


def _convolution(before: int, after: int, size: int = 3) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, size, padding=size // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


class Network(nn.Module):
    """The U-Net with its heads: returns logits, and for stars the distances along the rays.

    Parameters
    ----------
    shape : NetworkShape
        What it looks like.
    is_learning : bool
        Whether every layer but the heads is followed by a batch normalization: it learns in a tenth of the steps, and
        `folded` makes plain layers of both.
    """

    def __init__(self, shape: NetworkShape, is_learning: bool = False) -> None:
        super().__init__()
        self.shape = shape
        self.pools = shape.grid.bit_length() - 1
        widths = _widths(shape)
        self.layers = nn.ModuleDict({name: _convolution(*sizes) for name, sizes in widths.items()})
        normalized = {name: nn.BatchNorm2d(sizes[1]) for name, sizes in widths.items() if name not in HEADS}
        self.norms = nn.ModuleDict(normalized if is_learning else {})

    def _relu(self, name: str, values: Any) -> Any:
        values = self.layers[name](values)
        return torch.relu(self.norms[name](values) if name in self.norms else values)

    def forward(self, image: Any) -> tuple[Any, Any]:
        """Predict: (logits, distances), the second of None for membranes."""
        values = image
        for level in range(self.pools):
            values = self._relu(f"grid_{level}_no_1", self._relu(f"grid_{level}_no_0", values))
            values = nn.functional.max_pool2d(values, 2)
        skipped = []
        for level in range(self.shape.depth):
            values = self._relu(f"down_level_{level}_no_1", self._relu(f"down_level_{level}_no_0", values))
            skipped.append(values)
            values = nn.functional.max_pool2d(values, 2)
        values = self._relu("middle_2", self._relu("middle_0", values))
        for level in reversed(range(self.shape.depth)):
            values = nn.functional.interpolate(values, scale_factor=2, mode="nearest")
            values = torch.cat([values, skipped[level]], dim=1)
            values = self._relu(f"up_level_{level}_no_2", self._relu(f"up_level_{level}_no_0", values))
        if self.shape.features:
            values = self._relu("features", values)
        return self.layers["prob"](values), self.layers["dist"](values) if self.shape.rays else None


def _widths(shape: NetworkShape) -> dict[str, tuple[int, ...]]:
    """Filters before and after every layer, and the side of its kernel where it is not 3."""
    base, depth = shape.base, shape.depth
    found: dict[str, tuple[int, ...]] = {}
    before = shape.channels
    for level in range(shape.grid.bit_length() - 1):
        found |= {f"grid_{level}_no_0": (before, base), f"grid_{level}_no_1": (base, base)}
        before = base
    for level in range(depth):
        width = base * 2**level
        found |= {f"down_level_{level}_no_0": (before, width), f"down_level_{level}_no_1": (width, width)}
        before = width
    found |= {"middle_0": (before, base * 2**depth), "middle_2": (base * 2**depth, before)}
    for level in reversed(range(depth)):
        width, after = base * 2**level, base * 2 ** max(0, level - 1)
        found |= {f"up_level_{level}_no_0": (2 * width, width), f"up_level_{level}_no_2": (width, after)}
    last = base
    if shape.features:
        found["features"] = (base, shape.features)
        last = shape.features
    return found | {"prob": (last, 1, 1)} | ({"dist": (last, shape.rays, 1)} if shape.rays else {})


def folded(network: Network) -> Network:
    """Return the network that predicts the same without normalizations."""
    plain = Network(network.shape)
    plain.load_state_dict(network.layers.state_dict(prefix="layers."))
    with torch.no_grad():
        for name, norm in network.norms.items():
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            layer = plain.layers[name]
            layer.weight.mul_(gain[:, None, None, None])
            layer.bias.copy_((layer.bias - norm.running_mean) * gain + norm.bias)
    plain.eval()
    return plain


def new_network(shape: NetworkShape, seed: int, is_learning: bool = False) -> Network:
    """Return a network with weights drawn by the seed.

    Examples
    --------
    >>> logits, rays = new_network(NetworkShape("stars", 1, base=4), 0)(torch.zeros(1, 1, 16, 24))
    >>> tuple(logits.shape), tuple(rays.shape)
    ((1, 1, 16, 24), (1, 32, 16, 24))
    """
    torch.manual_seed(seed)
    return Network(shape, is_learning)
