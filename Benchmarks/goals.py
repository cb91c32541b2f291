"""What a row of the table should come to, where that was decided."""

from __future__ import annotations

OURS = "code-interpreter"
IN_DOCKER = "code-interpreter, docker"

# By what is measured and on whom.
GOALS = {
    ("start until listening", "server"): "≤ 100 ms",
    ("start until warm", "server"): "≤ 2 s",
    ("memory, idle", "server"): "≤ 40 MB",
    ("hello", OURS): "p50 ≤ 1.5, p99 ≤ 5, ≤ 0.15 × python3 -c",
    ("pandas groupby + describe", OURS): "p50 ≤ 20",
    ("matplotlib PNG", OURS): "p50 ≤ 90",
    ("bare, 8 clients", OURS): "≥ 250/s",
    ("full, 8 clients", OURS): "≥ 150/s",
    ("burst of 100", "100 succeeded"): "≤ 1 s",
    ("new context to its first result", OURS): "p50 ≤ 15",
    ("1+1 in a context", OURS): "p50 ≤ 1",
    ("50,000 lines of 1 kB printed", OURS): "≥ 150 MB/s",
    ("hello, pool hit", IN_DOCKER): "p50 ≤ 15",
    ("pandas groupby + describe, pool hit", IN_DOCKER): "p50 ≤ 40",
    ("1+1 in a context", IN_DOCKER): "p50 ≤ 3",
    ("private memory of an idle context", OURS): "≤ 12 MB",
}


def goal(what: object, who: object) -> str:
    """The goal of a row; empty where there is none."""
    return GOALS.get((str(what), str(who)), "")
