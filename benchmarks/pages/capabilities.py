"""What each codec of the comparison can do beside its bytes and rates, as its documentation or its makers say."""

from __future__ import annotations

from dataclasses import dataclass

from pages.text import paragraph, table


@dataclass(frozen=True)
class Abilities:
    """Of one codec, as the library does it that was measured.

    Parameters
    ----------
    refined : str
        How a file is read from coarse to fine.
    part : str
        Whether a part of the image can be decoded alone.
    exact : str
        Whether samples can come back bit-exact.
    source : str
        Where this is said.
    """

    refined: str
    part: str
    exact: str
    source: str


OURS = Abilities("stages", "yes", "yes", "[FORMAT.md](../FORMAT.md)")
_OPENJPEG = "[OpenJPEG](https://github.com/uclouvain/openjpeg/pull/1010)"
_OPENJPH = "[OpenJPH](https://github.com/aous72/OpenJPH/issues/112)"
_LIBJXL = "[libjxl](https://github.com/libjxl/libjxl/issues/1623)"
_LIBAVIF = "[libavif](https://github.com/AOMediaCodec/libavif/issues/1147)"
_SZ3 = "[SZ3](https://github.com/szcompressor/SZ3/pull/69)"
_SPERR = "[SPERR](https://github.com/NCAR/SPERR/wiki)"
_ZFP = "[zfp](https://zfp.readthedocs.io/en/latest/modes.html)"

ABILITIES = {
    "mmip effort 1": OURS,
    "mmip effort 2": OURS,
    "mmip effort 3": OURS,
    "JPEG 2000 (OpenJPEG)": Abilities("layers, sizes", "yes", "yes", _OPENJPEG),
    "HTJ2K (OpenJPH)": Abilities("sizes", "no", "yes", _OPENJPH),
    "JPEG XL e7": Abilities("passes", "no", "yes", _LIBJXL),
    "AVIF speed 6": Abilities("layers", "no", "to 12 bits", _LIBAVIF),
    "SZ3": Abilities("no", "no", "by zstd", _SZ3),
    "SPERR": Abilities("any cut, sizes", "no", "no", _SPERR),
    "zfp accuracy": Abilities("no", "other mode", "other mode", _ZFP),
}
TITLE = "What the codecs can do"


def capabilities_section() -> str:
    """The table with its sources."""
    lines = [[codec, can.refined, can.part, can.exact, can.source] for codec, can in ABILITIES.items()]
    return "\n".join(
        [
            f"## {TITLE}\n",
            paragraph(
                "This table is not measured: it says what the libraries that were measured offer, by their",
                "documentation or their makers. Coarse to fine: how the first part of a file gives the whole image",
                "(sizes: at a smaller size). Part alone: whether a region is decoded without the rest. Regions with",
                "a quality of their own are in mmip and in the standard of JPEG 2000. zfp has bit-exact coding and",
                "access to parts in modes other than the one measured.",
            ),
            table(["codec", "coarse to fine", "part alone", "exact", "source"], lines),
        ]
    )
