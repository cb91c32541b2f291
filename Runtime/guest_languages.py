"""The languages of contexts besides Python: what the kernelspecs of the image say."""

from __future__ import annotations

import json
import os
import stat
import sys

_FOLDER = "share/jupyter/kernels"
MOST_SPECS = 64
MOST_BYTES = 64 << 10


def find(places: list[str] | None = None) -> list[dict[str, str]]:
    """Return name, language and display name of each kernel, by name; the first place counts.

    A kernelspec that cannot be used is told to people and left out.
    """
    if places is None:
        places = [f"{sys.prefix}/{_FOLDER}", f"/usr/local/{_FOLDER}", f"/usr/{_FOLDER}"]
    found: dict[str, dict[str, str]] = {}
    for place in places:
        for folder in _folders(place):
            name = folder.lower()
            path = f"{place}/{folder}/kernel.json"
            if name in found or not os.path.exists(path):
                continue
            try:
                found[name] = {"name": name, **_read(path, name)}
            except (OSError, ValueError, RecursionError) as error:
                print(f"guest: {path} is left out: {error}", file=sys.stderr, flush=True)
    return [kernel for _, kernel in sorted(found.items()) if kernel["language"] != "python"]


def _folders(place: str) -> list[str]:
    try:
        names = os.listdir(place)
    except OSError:
        return []
    return sorted(name for name in names[: 4 * MOST_SPECS] if _is_text(name))[:MOST_SPECS]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: str, name: str) -> dict[str, str]:
    """Return what a kernel.json says of its language. Raises `ValueError` and `OSError`."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError("it is larger than 64 KiB")
    spec = json.loads(content.decode())
    if not isinstance(spec, dict):
        raise ValueError("it is no JSON object")
    arguments, language, display = spec.get("argv"), spec.get("language"), spec.get("display_name")
    if not isinstance(arguments, list) or not arguments or not isinstance(arguments[0], str):
        raise ValueError("it has no argv")
    if not isinstance(language, str) or not language.strip():
        raise ValueError("it names no language")
    shown = display if isinstance(display, str) else name
    return {"language": _sound(language.strip().lower()), "display_name": _sound(shown)}


def _sound(text: str) -> str:
    """Without lone surrogates, which JSON can name and no text has."""
    return text.encode("utf-8", "replace").decode()
