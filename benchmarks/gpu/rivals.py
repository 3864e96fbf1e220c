"""Codecs of others on the same device and data: nvCOMP, nvJPEG2000 through nvImageCodec, and zfp with CUDA.

Values: the arrays of the rates in; rows as ours out, with bits a sample and the PSNR. A rival that is not installed, or
that fails, is skipped by name. Sizes are those of the streams; rates count the array as stored.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gpu.data import rate_array
from gpu.run import Run
from mmip_gpu.device.run.clocks import clock_of, median_seconds
from mmip_gpu.device.run.cuda import open_cupy

_SIZE = 64 * 2**20
_TARGETS_DB = (50.0, 57.0, 62.0)


@dataclass(frozen=True)
class _Rival:
    """A codec of device arrays: encode gives streams and their bytes, decode gives a device array."""

    encode: Callable[[Any], tuple[Any, int]]
    decode: Callable[[Any], Any]


Rivals = dict[str, Callable[[], _Rival]]


def run_rivals(run: Run) -> None:
    """All that are installed."""
    makers = {"nvCOMP": _nvcomp, "nvJPEG2000 (nvImageCodec)": _nvimgcodec, "zfp CUDA": _zfp}
    for name, make in run.in_time("rivals", list(makers.items()), lambda maker: maker[0]):
        if not run.on_gpu:
            run.skip("rivals", name, "no GPU")
            continue
        for dtype in ("uint16", "uint8"):
            array = rate_array(3, dtype, _SIZE)
            try:
                rivals = make(array)
            except Exception as error:
                run.skip("rivals", f"{name}, {dtype}", f"{type(error).__name__}: {error}")
                continue
            for codec, build in run.in_time("rivals", list(rivals.items()), lambda rival: rival[0]):
                try:
                    _measure(run, codec, build(), array)
                except Exception as error:  # theirs may be of any kind
                    run.skip("rivals", f"{codec}, {dtype}", f"{type(error).__name__}: {error}")


def _measure(run: Run, name: str, rival: _Rival, array: np.ndarray) -> None:
    clock = clock_of(run.executor)
    held = run.executor.upload(array)
    (streams, size), encode = median_seconds(clock, lambda: rival.encode(held))
    decoded, decode = median_seconds(clock, lambda: rival.decode(streams))
    found = run.executor.download(open_cupy().asarray(decoded)).view(array.dtype).reshape(array.shape)
    run.add(
        "rivals",
        **{"codec": name, "data": "volume", "dtype": array.dtype.name, "megabytes": array.nbytes / 1e6},
        bits_per_sample=8 * size / array.size,
        psnr_db=_psnr(array, found),
        encode_gb_s=array.nbytes / encode / 1e9,
        decode_gb_s=array.nbytes / decode / 1e9,
    )
    print(f"{name}: {8 * size / array.size:.3g} bits, {array.nbytes / encode / 1e9:.4g} GB/s", flush=True)


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if error == 0 else 20 * math.log10((float(a.max()) - float(a.min())) / math.sqrt(error))


def _nvcomp(array: np.ndarray) -> Rivals:
    """Lossless byte codecs, with their default chunks of 64 KiB."""
    from nvidia import nvcomp

    kind = array.dtype.str
    options: dict[str, dict[str, Any]] = {
        **{"LZ4": {"data_type": kind}, "GDeflate": {}, "Zstd": {}, "ANS": {}},
        **{"Bitcomp": {"data_type": kind}, "Cascaded": {"data_type": kind}},
    }

    def rival(algorithm: str) -> _Rival:
        stream = open_cupy().cuda.get_current_stream().ptr
        codec = nvcomp.Codec(algorithm=algorithm, cuda_stream=stream, **options[algorithm])

        def encode(held: Any) -> tuple[Any, int]:
            coded = codec.encode(nvcomp.as_array(held))
            return coded, int(coded.buffer_size)

        return _Rival(encode, lambda coded: codec.decode(coded, data_type="|u1"))

    return {f"nvCOMP {algorithm}": partial(rival, algorithm) for algorithm in options}


def _nvimgcodec(array: np.ndarray) -> Rivals:
    """JPEG 2000 and HTJ2K, slice by slice in one batch: without loss, and JPEG 2000 at a PSNR."""
    from nvidia import nvimgcodec as codec

    cupy = open_cupy()
    encoder, decoder = codec.Encoder(), codec.Decoder()
    spread, peak = float(array.max()) - float(array.min()), float(np.iinfo(array.dtype).max)
    # Samples of 16 bits come back as such only where any depth is allowed.
    reading = codec.DecodeParams(allow_any_depth=True, color_spec=codec.ColorSpec.UNCHANGED)

    def rival(kind: Any, value: float, ht: bool) -> _Rival:
        coding = codec.Jpeg2kEncodeParams(ht=ht, bitstream_type=codec.Jpeg2kBitstreamType.J2K)
        params = codec.EncodeParams(quality_type=kind, quality_value=value, jpeg2k_encode_params=coding)

        def encode(held: Any) -> tuple[Any, int]:
            stream = cupy.cuda.get_current_stream().ptr
            images = codec.as_images([plane[..., None] for plane in held], cuda_stream=stream)
            coded = encoder.encode(images, "jpeg2k", params=params, cuda_stream=stream)
            return coded, sum(int(part.size) for part in coded)

        def decode(coded: Any) -> Any:
            images = decoder.decode(coded, params=reading, cuda_stream=cupy.cuda.get_current_stream().ptr)
            return cupy.stack([cupy.asarray(image)[..., 0] for image in images])

        return _Rival(encode, decode)

    lossless = codec.QualityType.LOSSLESS
    found = {
        "nvJPEG2000 HT lossless": partial(rival, lossless, 0, ht=True),
        "nvJPEG2000 lossless": partial(rival, lossless, 0, ht=False),
    }
    for target in _TARGETS_DB:  # theirs is on the largest value of the dtype, ours on the data's range
        value = target + 20 * math.log10(peak / spread)
        found[f"nvJPEG2000 at {target:g} dB"] = partial(rival, codec.QualityType.PSNR, value, ht=False)
    return found


_FLOAT, _CUDA = 3, 2  # zfp_type_float, zfp_exec_cuda


def _zfp(array: np.ndarray) -> Rivals:
    """Zfp at fixed rates, its only mode on CUDA, of float32 samples: the library itself, which takes device memory."""
    path = ctypes.util.find_library("zfp")
    if path is None:
        raise ImportError("no libzfp with CUDA (cmake -DZFP_WITH_CUDA=ON) in the path of libraries")
    zfp, cupy = ctypes.CDLL(path), open_cupy()
    for name in ("stream_open", "zfp_stream_open", "zfp_field_3d"):
        getattr(zfp, name).restype = ctypes.c_void_p
    zfp.zfp_stream_set_rate.restype = ctypes.c_double
    for name in ("zfp_stream_maximum_size", "zfp_compress", "zfp_decompress"):
        getattr(zfp, name).restype = ctypes.c_size_t
    pointer, lengths = ctypes.c_void_p, [ctypes.c_size_t(n) for n in reversed(array.shape)]

    def rival(rate: float) -> _Rival:
        stream = pointer(zfp.zfp_stream_open(None))
        zfp.zfp_stream_set_rate(stream, ctypes.c_double(rate), _FLOAT, 3, 0)
        if not zfp.zfp_stream_set_execution(stream, _CUDA):
            raise RuntimeError("libzfp is built without CUDA")
        samples = cupy.empty(array.shape, np.float32)
        field = pointer(zfp.zfp_field_3d(pointer(samples.data.ptr), _FLOAT, *lengths))
        room = cupy.empty(zfp.zfp_stream_maximum_size(stream, field), np.uint8)
        zfp.zfp_stream_set_bit_stream(
            stream, pointer(zfp.stream_open(pointer(room.data.ptr), ctypes.c_size_t(room.size)))
        )

        def encode(held: Any) -> tuple[Any, int]:
            samples[...] = held
            zfp.zfp_stream_rewind(stream)
            size = int(zfp.zfp_compress(stream, field))
            if size == 0:
                raise RuntimeError("zfp_compress failed")
            return None, size

        def decode(coded: None) -> Any:
            zfp.zfp_stream_rewind(stream)
            if not zfp.zfp_decompress(stream, field):
                raise RuntimeError("zfp_decompress failed")
            return cupy.rint(samples).clip(0, np.iinfo(array.dtype).max).astype(array.dtype)

        return _Rival(encode, decode)

    return {f"zfp CUDA, {rate:g} bits": partial(rival, rate) for rate in (1.0, 2.0, 4.0)}
