"""Calls of the public functions, checked: names of options, and the types of their values.

Values: a function or a class in; the same, which raises InvalidArgument for an option that there is not, with the
nearest name, for a value of another type, and for arguments that are missing or too many. A call costs about a
microsecond more; ranges are checked by those who know them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from itertools import chain
from numbers import Integral, Real
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from mmip_gpu.errors import InvalidArgument

__all__ = ["ARRAY", "ITEMS", "Expected", "nearest", "public", "public_class", "unknown_option"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=type)

_Fits = Callable[[Any], bool]


class Expected(NamedTuple):
    """What a value has to be, in words, and the test of it; values of the plain types need no test."""

    words: str
    fits: _Fits
    plain: frozenset[type] = frozenset()

    def or_none(self) -> Expected:
        """The same, or None."""
        fits = self.fits
        return Expected(self.words, lambda value: value is None or fits(value), self.plain | {type(None)})


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and all(map(_is_whole, value))


def _are_numbers(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) and all(map(_is_number, value))


def _is_region(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(
        isinstance(part, slice) and all(end is None or _is_whole(end) for end in (part.start, part.stop))
        for part in value
    )


def _is_dtype(value: Any) -> bool:
    try:
        return np.dtype(value) is not None
    except TypeError:
        return False


def _is_padding(value: Any) -> bool:
    return isinstance(value, str) or _is_whole(value)


def _is_roi_quality(value: Any) -> bool:
    pairs = isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value)
    return pairs or isinstance(value, Mapping | str) or _is_number(value)


def _whole(words: str) -> Expected:
    return Expected(words, _is_whole, frozenset({int}))


def _number(words: str) -> Expected:
    return Expected(words, _is_number, frozenset({int, float}))


def _text(words: str) -> Expected:
    return Expected(words, lambda value: isinstance(value, str), frozenset({str}))


def _flag(words: str) -> Expected:
    return Expected(words, lambda value: isinstance(value, bool | np.bool_), frozenset({bool}))


def _kind(words: str, attribute: str) -> Expected:
    return Expected(words, lambda value: hasattr(value, attribute))


ARRAY = Expected("a NumPy array", lambda value: isinstance(value, np.ndarray))
ITEMS = Expected("a list, or a stacked array", lambda value: isinstance(value, Iterable))
_FLAG = _flag("True or False")
_NUMBER = _number("a finite number").or_none()
_NUMBERS = Expected(
    "a finite number, or one for each channel", lambda value: _is_number(value) or _are_numbers(value)
).or_none()

# A name means the same in every function; what has no entry is checked where it is used.
_EXPECTED: dict[str, Expected] = (
    {
        "allow_origin": _text("a text"),
        "axes": _text("a text such as 'zyx' or None").or_none(),
        "axis": _text("one of the axes, such as 't', or None").or_none(),
        "cache_bytes": _whole("a number of bytes"),
        "cell_depth": _whole("1, 8 or None").or_none(),
        "chunks": Expected(
            "a whole number, or one per axis, such as (64, 256, 256)",
            lambda value: _is_whole(value) or _are_sizes(value),
        ).or_none(),
        "colour": _flag("True, False or None").or_none(),
        "config": _kind("a CodecConfig", "mode"),
        "data_range": _number("a positive number").or_none(),
        "device": _text("'cpu', 'gpu' or None").or_none(),
        "dtype": Expected("a dtype such as 'uint16'", _is_dtype),
        "durable": _flag("True, False or None").or_none(),
        "effort": _whole("1, 2 or 3"),
        "endian": _text("'little' or 'big'"),
        "errors": _text("'raise' or 'return'"),
        "has_roi": _FLAG,
        "host": _text("a text"),
        "labels": _FLAG,
        "keep_bytes": _whole("a number of bytes").or_none(),
        "lossless": Expected(
            "True, False or 'small'", lambda value: isinstance(value, bool | np.bool_ | str), frozenset({bool})
        ),
        "max_bytes": _whole("a number of bytes"),
        "mode": _text("a text"),
        "output": _text("'host' or 'device'"),
        "overwrite": _FLAG,
        "per_channel": _FLAG,
        "padding": Expected("an integer, 'auto' or None", _is_padding, frozenset({int, str})).or_none(),
        "port": _whole("a whole number"),
        "prediction": _flag("True, False or None").or_none(),
        "progress": _flag("True, False or None").or_none(),
        "region": Expected("one slice per axis, such as (slice(0, 32), slice(0, 64)), or None", _is_region).or_none(),
        "resume": _FLAG,
        "roi_quality": Expected("a number in (0, 440], 'lossless' or {class: quality}", _is_roi_quality).or_none(),
        "scale": _whole("1, 2, 4 or 8"),
        "settings": _kind("an EncodeSettings", "config"),
        "shape": Expected("whole numbers, such as (64, 256, 256)", _are_sizes),
        "size": _whole("a whole number, such as 512"),
        "slice_axis": _text("'z', 't', 'n' or None").or_none(),
        "stages": _whole("a whole number or None").or_none(),
        "threads": _whole("a positive integer or None").or_none(),
        "value": _number("a finite number"),
        "verify": _FLAG,
    }
    | dict.fromkeys(("quality", "psnr", "ratio", "step"), _NUMBER)
    | dict.fromkeys(("max_error", "qstep"), _NUMBERS)
)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Name that this one is most like, if any.

    Examples
    --------
    >>> nearest("qualty", ["stages", "quality"]), nearest("zzz", ["stages"])
    ('quality', None)
    """
    from difflib import get_close_matches

    plain = {option.lower().replace("-", "").replace("_", ""): option for option in sorted(known)}
    found = get_close_matches(name.lower().replace("-", "").replace("_", ""), plain, 1, 0.65)
    return plain[found[0]] if found else None


def unknown_option(where: str, name: str, known: Iterable[str]) -> InvalidArgument:
    """Error for an option that there is not.

    Examples
    --------
    >>> unknown_option("encode", "qualty", ["stages", "quality"])
    InvalidArgument("encode: unknown option 'qualty'; did you mean 'quality'?")
    """
    like = nearest(name, known)
    advice = f"did you mean {like!r}?" if like else f"expected some of {', '.join(sorted(known))}"
    return InvalidArgument(f"{where}: unknown option {name!r}; {advice}")


def public(*lists: type, **others: Expected) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Check calls of a function; `lists` are the TypedDicts of its ``**options``, `others` what it means by a name.

    Examples
    --------
    >>> @public()
    ... def half(size):
    ...     return size // 2
    >>> half("a")
    Traceback (most recent call last):
    mmip_gpu.errors.InvalidArgument: half: size='a': expected a whole number, such as 512
    >>> half()
    Traceback (most recent call last):
    mmip_gpu.errors.InvalidArgument: half() missing 1 required positional argument: 'size'
    """
    return lambda function: _checked(function, lists, _EXPECTED | others)


def _checked(function: Callable[_P, _R], lists: Iterable[type], expected: Mapping[str, Expected]) -> Callable[_P, _R]:
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    known = frozenset(names).union(*(kind.__annotations__ for kind in lists)) - {"self", "cls"}
    where = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def call(*args: _P.args, **options: _P.kwargs) -> _R:
        if not known.issuperset(options):
            raise unknown_option(where, next(name for name in options if name not in known), known)
        for name, value in chain(zip(names, args, strict=False), options.items()):
            rule = expected.get(name)
            if rule is not None and type(value) not in rule.plain and not rule.fits(value):
                raise InvalidArgument(f"{where}: {name}={value!r}: expected {rule.words}")
        try:
            return function(*args, **options)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:  # raised inside
                raise
            raise InvalidArgument(str(error)) from None

    return call


def public_class(expected: Mapping[str, Expected] | None = None) -> Callable[[_C], _C]:
    """Check how objects of a class are made; `expected` is for a class that checks other values by itself.

    Examples
    --------
    >>> @public_class()
    ... class Box:
    ...     def __init__(self, size): ...
    >>> Box(siz=3)
    Traceback (most recent call last):
    mmip_gpu.errors.InvalidArgument: Box: unknown option 'siz'; did you mean 'size'?
    """

    def checked(kind: _C) -> _C:
        made: Any = kind
        made.__init__ = _checked(made.__init__, (), _EXPECTED if expected is None else expected)
        return kind

    return checked
