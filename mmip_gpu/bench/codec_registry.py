"""The codecs of the benchmark by their names: ours, the rivals, and any codec of numcodecs or Zarr.

Values: names, patterns or configurations in; Codecs with unique names out. Guarantees that an optional library that is
missing leaves a Codec whose refusal names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from mmip_gpu.bench.adapters import Codec
from mmip_gpu.bench.array_rivals import array_rivals, lossless_array_rivals
from mmip_gpu.bench.bounded import bounded_codecs
from mmip_gpu.bench.configured import KINDS, configured
from mmip_gpu.bench.image_rivals import lossless_image_rivals, more_image_rivals
from mmip_gpu.bench.ours import ours, ours_lossless, ours_soft
from mmip_gpu.bench.rivals import lossless_rivals, rivals
from mmip_gpu.bench.video_rivals import lossless_video_rivals, video_rivals
from mmip_gpu.errors import InvalidArgument

__all__ = ["codecs"]


def _all(threads: int) -> list[Codec]:
    """Every codec that has a name; those without loss, and those with a bound of the error, say so in it."""
    lossy = [
        codec for family in (ours, rivals, more_image_rivals, array_rivals, video_rivals) for codec in family(threads)
    ]
    families = (lossless_rivals, lossless_image_rivals, lossless_array_rivals, lossless_video_rivals)
    own = [*ours_lossless(threads, stages=(2, 3)), *ours_soft(threads)]
    exact = own + [codec for family in families for codec in family(threads)]
    exact = [replace(codec, name=f"{codec.name} lossless") for codec in exact]
    return [*lossy, *exact, *(replace(codec, name=f"{codec.name} bounded") for codec in bounded_codecs(threads))]


def codecs(names: Sequence[str] | None = None, threads: int = 1) -> list[Codec]:
    """Codecs by their names.

    Parameters
    ----------
    names : sequence of str, optional
        Names, patterns such as ``*lossless``, in any case, or configurations such as ``numcodecs:{"id": "zstd"}`` and
        ``zarr:{"name": "mmip", "configuration": {"quality": 10}}``. All that are installed by default.
    threads : int
        So many work where the codec knows threads.

    Returns
    -------
    list of Codec
        Each once, in the order of the registry; then the configured ones.

    Raises
    ------
    InvalidArgument
        For a name that fits no codec.

    Examples
    --------
    >>> [codec.name for codec in codecs(["jpeg-ls*lossless", "mmip effort 2"])]
    ['mmip effort 2', 'JPEG-LS (CharLS) lossless']
    """
    known = _all(threads)
    if names is None:
        return [codec for codec in known if codec.missing is None]
    own = [name for name in names if name.partition(":")[0] in KINDS]
    patterns = [name.lower() for name in names if name not in own]
    for pattern in patterns:
        if not any(_fits(codec, pattern) for codec in known):
            listed = ", ".join(codec.name for codec in known)
            raise InvalidArgument(f"no codec fits {pattern!r}; there are {listed}, and numcodecs:JSON and zarr:JSON")
    found = [codec for codec in known if any(_fits(codec, pattern) for pattern in patterns)]
    found += [configured(text, threads) for text in dict.fromkeys(own)]
    twice = [name for name, count in Counter(codec.name for codec in found).items() if count > 1]
    if twice:
        raise InvalidArgument(f"codecs with the same name: {', '.join(twice)}; give one another label")
    return found


def _fits(codec: Codec, pattern: str) -> bool:
    """Whether a pattern, or the whole name, fits."""
    return codec.name.lower() == pattern or fnmatchcase(codec.name.lower(), pattern)
