"""What is read from the events of a run of Swift tests."""

import json
import unittest
from typing import Any

import swift_events

SUITE = "Tests.Suite"
ONE = "Tests.Suite/one()/File.swift:3:6"
TWO = "Tests.Suite/two(_:)/File.swift:9:6"


def lines(*events: dict[str, Any]) -> list[str]:
    """The stream of a run with a suite of two tests."""
    tests = [{"id": SUITE, "kind": "suite"}, {"id": ONE, "kind": "function"}, {"id": TWO, "kind": "function"}]
    records = [{"kind": "test", "payload": test} for test in tests]
    records += [{"kind": "event", "payload": event} for event in events]
    return [json.dumps(record) for record in records]


def issue(test: str, text: str, known: bool = False) -> dict[str, Any]:
    """An issue as the stream has it."""
    messages = [{"symbol": "fail", "text": text}]
    return {"kind": "issueRecorded", "testID": test, "issue": {"isKnown": known}, "messages": messages}


def ended(test: str) -> dict[str, Any]:
    """The end of a test or of a suite."""
    return {"kind": "testEnded", "testID": test}


class EventsTest(unittest.TestCase):
    def test_counts_tests_and_names_what_failed(self) -> None:
        outcome = swift_events.read(
            lines(
                issue(TWO, "it broke\nand more"),
                issue(ONE, "as ever", known=True),
                ended(ONE),
                ended(TWO),
                ended(SUITE),
            )
        )
        self.assertEqual((outcome.passed, outcome.failed), (1, {TWO}))
        self.assertEqual(outcome.issues, ["Tests.Suite/two(_:): it broke"])

    def test_an_issue_of_a_suite_or_of_none_is_a_failure(self) -> None:
        outcome = swift_events.read(
            lines(ended(ONE), issue(SUITE, "a process is left"), issue("", "at the end"), {"kind": "runEnded"})
        )
        self.assertEqual((outcome.passed, outcome.failed, outcome.ended), (1, {SUITE, ""}, True))
        self.assertEqual(outcome.issues, ["Tests.Suite: a process is left", "the run: at the end"])

    def test_skipped_tests_are_named_with_their_reason(self) -> None:
        skip = {"kind": "testSkipped", "messages": [{"symbol": "skip", "text": 'Test "x" skipped: "docker only"'}]}
        outcome = swift_events.read(lines({**skip, "testID": SUITE}, {**skip, "testID": ONE}))
        self.assertEqual(outcome.skipped, ['Tests.Suite/one(): "docker only"'])

    def test_a_run_that_crashed_has_no_end(self) -> None:
        outcome = swift_events.read([*lines(ended(ONE)), ""])
        self.assertEqual((outcome.passed, outcome.ended), (1, False))
