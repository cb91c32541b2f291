"""Reads what a run of Swift Testing wrote of itself: one JSON object per line, of version 0 of its event stream."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Payload = dict[str, Any]


@dataclass
class Outcome:
    """What a run came to."""

    passed: int = 0
    # Suites too: what goes wrong before, between or after the tests of one belongs to none of them.
    failed: set[str] = field(default_factory=set)
    # One line for each issue: where it was, what the test wrote.
    issues: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    # Whether the run came to its own end; a crash leaves it without.
    ended: bool = False


def read(lines: Iterable[str]) -> Outcome:
    """Counts tests, not the arguments one runs with. A known issue is none."""
    outcome = Outcome()
    functions: set[str] = set()
    ended: list[str] = []
    for record in map(json.loads, filter(str.strip, lines)):
        payload: Payload = record["payload"]
        if record["kind"] == "test":
            if payload["kind"] == "function":
                functions.add(payload["id"])
            continue
        test = payload.get("testID", "")
        match payload["kind"]:
            case "issueRecorded" if not payload["issue"].get("isKnown", False):
                outcome.failed.add(test)
                outcome.issues.append(f"{shortened(test)}: {first_line(payload)}")
            case "testSkipped" if test in functions:
                outcome.skipped.append(f"{shortened(test)}: {first_line(payload).partition('skipped: ')[2]}")
            case "testEnded":
                ended.append(test)
            case "runEnded":
                outcome.ended = True
    outcome.passed = sum(test in functions and test not in outcome.failed for test in ended)
    return outcome


def shortened(test: str) -> str:
    """The name of a test without the place it is written at."""
    parts = test.split("/")
    return "/".join(parts[:-1] if len(parts) > 1 and ".swift:" in parts[-1] else parts) or "the run"


def first_line(payload: Payload) -> str:
    """What an event says for people, at most 400 characters of it."""
    text = " ".join(message["text"] for message in payload.get("messages", []))
    return (text.splitlines() or [""])[0][:400]
