"""Rows of figures, and the table they make."""

from __future__ import annotations

import time
from collections.abc import Callable

from goals import goal

Row = dict[str, object]

COLUMNS = ["what", "who", "n", "p50 ms", "p90 ms", "p99 ms", "value", "CPU ms each", "goal"]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(action: Callable[[], object]) -> float:
    """How long it took."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def latency_row(what: str, who: str, values: list[float]) -> Row:
    """A row with the usual percentiles."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {"what": what, "who": who, "n": len(values)} | {
        name: percentile(values, share) for name, share in shares.items()
    }


def value_row(what: str, who: str, value: float, unit: str, count: int | None = None) -> Row:
    """A row with one figure, of `count` measurements."""
    row: Row = {"what": what, "who": who, "value": value, "unit": unit}
    return row if count is None else row | {"n": count}


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        value = f"{number(row['value'])} {row['unit']}" if "value" in row else ""
        cells = [
            row["what"],
            row["who"],
            row.get("n", ""),
            *(number(row.get(name)) for name in ("p50", "p90", "p99")),
            value,
            number(row.get("cpu_ms")),
            goal(row["what"], row["who"]),
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def number(value: object) -> str:
    """Three digits that count."""
    if not isinstance(value, (int, float)):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
