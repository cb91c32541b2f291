"""What Deno's kernel leaves to its clients."""

from __future__ import annotations

import re
import subprocess

#: How long Deno may take to find out what is wrong with a program, in seconds.
_PATIENCE = 10.0
#: Longest explanation, in characters.
_MAXIMUM_TEXT = 4000
_PLACE = re.compile(r"^\s+at \S+:(\d+):(\d+)$", re.MULTILINE)


def mark_code(kind: str, mark: str) -> str:
    """Return code that publishes a message after everything that was printed before.

    The kernel says that it is idle before it has sent all of that.
    """
    return f'await Deno.jupyter.broadcast("{kind}", {{ mark: "{mark}" }})'


def explain(program: str, code: str, environment: dict[str, str]) -> tuple[str, str] | None:
    """Return what is wrong with the syntax of `code`, and where; None where nothing is.

    The kernel says "Execution failed" and no more.
    """
    try:
        done = subprocess.run(
            [program, "fmt", "--quiet", "--ext=ts", "-"],
            input=code.encode("utf-8", "replace"),
            capture_output=True,
            timeout=_PATIENCE,
            cwd="/",
            env=environment | {"NO_COLOR": "1"},
            process_group=0,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = done.stderr.decode("utf-8", "replace")
    head, _, _ = text.partition("\nStack backtrace:")
    begin = head.find("SyntaxError: ")
    if done.returncode == 0 or begin < 0:
        return None
    explanation = head[begin + len("SyntaxError: ") :][:_MAXIMUM_TEXT].strip()
    value = explanation.partition("\n")[0]
    place = _PLACE.search(explanation)
    if place is not None:
        explanation = _PLACE.sub(f"    at line {place[1]}, column {place[2]}", explanation)
    return value, f"SyntaxError: {explanation}"
