"""Displays: what a context sends for values, figures and errors, as JSON that is always valid and never too long.

Beside the formats of Jupyter there are two: ``e2b/data``, a table as an object of lists, and ``e2b/chart``, what a
figure shows, as the package e2b-charts reads it.
"""

from __future__ import annotations

import binascii
import builtins
import importlib.util
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from IPython.core.formatters import BaseFormatter, DisplayFormatter
from traitlets import ObjectName, Unicode

import frames

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

DATA, CHART, JSON, TEXT = "e2b/data", "e2b/chart", "application/json", "text/plain"

#: Longest encoded display or error; the frame around it is a little longer.
MAXIMUM_BODY = frames.MAXIMUM_SENT_BY_CONTEXT - (1 << 10)
#: Most cells of a table that is sent as data, not only as text and HTML.
MAXIMUM_CELLS = 1_000_000
#: Longest parts of an error, in characters.
MAXIMUM_NAME, MAXIMUM_VALUE, MAXIMUM_TRACEBACK = 1 << 10, 1 << 20, 4 << 20

#: Formats that programs read; where there is no room for them, the others stay.
_EXTRAS = (DATA, CHART, JSON)
_MAXIMUM_DEPTH = 100
#: Integers beyond these are sent as text: most readers of JSON would round them.
_LEAST_INTEGER, _GREATEST_INTEGER = -(1 << 63), (1 << 63) - 1
_LONG_NUMBER = re.compile("[0-9]{19}")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")


def _private_encoder() -> Callable[[object], str]:
    """Return `json.JSONEncoder.encode` of a copy of its module that user code does not find."""
    spec = importlib.util.find_spec("json.encoder")
    if spec is None or spec.loader is None:
        raise ImportError("json.encoder")
    module: Any = ModuleType(spec.name)
    module.__builtins__ = dict(vars(builtins))
    spec.loader.exec_module(module)
    encode: Callable[[object], str] = module.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode
    return encode


_encode = _private_encoder()
_base64 = binascii.b2a_base64


# Encoding


def encode(value: object) -> bytes:
    """Return `value` as JSON in ASCII, whatever it is: what JSON does not have becomes the next best.

    The server forwards what it is given, and takes nothing but ASCII for that.
    """
    try:
        text = _encode(value)
    except Exception:  # noqa: BLE001 - methods of user code run in there
        text = _encode(_clean(value, 0))
    if type(value) is not str and _LONG_NUMBER.search(text):
        text = _encode(_clean(value, 0))
    if not text.isascii():
        # Pairs of surrogates become the character they stand for, others U+FFFD.
        sound = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        # Beyond ASCII there are only the insides of strings.
        text = _BEYOND_ASCII.sub(_escape, sound)
    return text.encode("ascii")


def _escape(match: re.Match[str]) -> str:
    """Return the characters of `match` as JSON escapes: of UTF-16, as JSON has them."""
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def encode_display(is_main: bool, data: dict[Any, Any]) -> bytes:
    """Return the fields of a display frame that follow its id: `"main":…,"data":{…}}`."""
    parts: dict[str, bytes] = {}
    is_too_large = False
    for key, value in data.items():
        kind = str(key)
        if _length(value) > MAXIMUM_BODY:
            is_too_large = is_too_large or kind not in _EXTRAS
        elif value is not None:
            parts[kind] = encode(_mime_value(kind, value))
    for kind in _EXTRAS:
        if kind in parts and sum(map(len, parts.values())) > MAXIMUM_BODY // 2:
            del parts[kind]
    if is_too_large or sum(len(part) + 2 * len(kind) + 4 for kind, part in parts.items()) > MAXIMUM_BODY:
        limit = frames.MAXIMUM_SENT_BY_CONTEXT >> 20
        parts = {TEXT: encode(f"[This display is longer than {limit} MiB and was left out.]")}
    fields = b",".join(encode(kind) + b":" + part for kind, part in parts.items())
    return b'"main":%b,"data":{%b}}' % (b"true" if is_main else b"false", fields)


def encode_error(name: object, value: object, traceback: object) -> bytes:
    """Return the fields of an error frame that follow its id. `traceback` is text or a list of texts."""
    lines = traceback if isinstance(traceback, (list, tuple)) else [traceback]
    fields = {
        "name": _shorten(_text(name), MAXIMUM_NAME),
        "value": _shorten(_text(value), MAXIMUM_VALUE),
        "traceback": _shorten("\n".join(map(_text, lines)), MAXIMUM_TRACEBACK),
    }
    return encode(fields)[1:]


def is_json(value: object) -> bool:
    """Whether `value` is what JSON can say, but for numbers that are not finite."""
    try:
        _encode(value)
    except ValueError as error:
        return "JSON compliant" in str(error)
    except Exception:  # noqa: BLE001 - methods of user code run in there
        return False
    return True


def _mime_value(kind: str, value: object) -> object:
    """Return what stands for `value` in a bundle: text, and anything for the formats that are JSON."""
    if type(value) is str:
        return value
    if isinstance(value, (bytes, bytearray)):
        return _base64(value, newline=False).decode("ascii")
    if kind in _EXTRAS or kind.endswith("+json"):
        # Other keys become text, and two of them may become the same.
        is_plain = not isinstance(value, dict) or all(type(key) is str for key in dict.keys(value))
        return value if is_plain else _clean(value, 0)
    if isinstance(value, (list, tuple)):
        return "".join(map(_text, value))
    return _text(value)


def _length(value: object) -> int:
    """Return a lower bound of how long `value` is as JSON."""
    return len(value) if isinstance(value, (str, bytes, bytearray)) else 0


def _text(value: object) -> str:
    """Return `str(value)`, which user code may have broken."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - see above
        return f"<{type(value).__name__} without text>"


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "… [cut]"


def _clean(value: object, depth: int) -> object:
    """Return `value` made of what JSON has. Numbers that are not finite and missing values become null."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if _LEAST_INTEGER <= value <= _GREATEST_INTEGER else _text(value)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    if isinstance(value, (bytes, bytearray)):
        return _base64(value, newline=False).decode("ascii")
    if depth < _MAXIMUM_DEPTH:
        try:
            if isinstance(value, dict):
                return {_text(key): _clean(item, depth + 1) for key, item in dict.items(value)}
            if isinstance(value, (list, tuple, set, frozenset)):
                return [_clean(item, depth + 1) for item in value]
            return _clean_other(value, depth)
        except Exception:  # noqa: BLE001 - methods of user code run in there
            pass
    return _text(value)


def _clean_other(value: Any, depth: int) -> object:
    """Return what stands for moments, numpy's numbers and missing values."""
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if hasattr(value, "isoformat"):
        return _text(value.isoformat())
    for convert in ("tolist", "item"):
        if hasattr(value, convert):
            return _clean(getattr(value, convert)(), depth + 1)
    return _text(value)


# Formats


class _DataFormatter(BaseFormatter):  # type: ignore[misc]
    """Tables as an object of lists."""

    format_type = Unicode(DATA)
    print_method = ObjectName("_repr_e2b_data_")
    _return_type = (dict, str)


class _ChartFormatter(BaseFormatter):  # type: ignore[misc]
    """What figures show."""

    format_type = Unicode(CHART)
    print_method = ObjectName("_repr_e2b_chart_")
    _return_type = (dict, str)

    def lookup(self, value: Any) -> Callable[[Any], object]:
        """Find what makes the chart of `value`; choosing formats for figures takes registered functions away."""
        figure = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
        if isinstance(figure, type) and isinstance(value, figure):
            return _chart
        found: Callable[[Any], object] = super().lookup(value)
        return found


def add_formats(formatter: DisplayFormatter) -> None:
    """Have `formatter` make ``e2b/data`` and ``e2b/chart``, too."""
    data, chart = _DataFormatter(parent=formatter), _ChartFormatter(parent=formatter)
    # pandas 3 has moved its name.
    data.for_type_by_name("pandas", "DataFrame", _table)
    data.for_type_by_name("pandas.core.frame", "DataFrame", _table)
    formatter.formatters[DATA] = data
    formatter.formatters[CHART] = chart


def _table(frame: Any) -> dict[str, object] | None:
    """Return the columns of a table as lists; nothing where it is so large that the lists would not fit."""
    try:
        if frame.size > MAXIMUM_CELLS:
            return None
        columns: dict[str, object] = {}
        for index, name in enumerate(frame.columns):
            columns[_text(name)] = [_clean(value, 0) for value in frame.iloc[:, index].tolist()]
    except Exception:  # noqa: BLE001 - a subclass may do anything, and the other formats stay
        return None
    return columns


def _chart(figure: Any) -> dict[str, object] | None:
    """Return what a figure shows; nothing where that cannot be told."""
    charts: Any = sys.modules.get("e2b_charts")
    try:
        if charts is None:
            charts = importlib.import_module("e2b_charts")
        return charts.chart_figure_to_dict(figure) or None
    except Exception:  # noqa: BLE001 - there are more kinds of charts than the package knows
        return None
