"""Parts of a guest that need no container."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import sys
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import guest_languages
import guest_stream
import guest_tree
from guest_counters import Counters

#: What is no kernelspec.
BROKEN = (
    *("", "[]", "[" * 9000, "{}", '{"argv":[]}', '{"argv":[1],"language":"x"}', '{"argv":["x"]}'),
    "\0" * 70_000,
)


class CountersTest(unittest.TestCase):
    """Both versions of control groups."""

    def counters(self, files: dict[str, str]) -> Counters:
        folder = tempfile.TemporaryDirectory()  # noqa: SIM115 - removed with the test
        self.addCleanup(folder.cleanup)
        for name, text in files.items():
            path = f"{folder.name}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        counters = Counters(folder.name)
        for descriptor in counters.descriptors():
            self.addCleanup(os.close, descriptor)
        return counters

    def values(self, counters: Counters) -> tuple[int | None, int | None, int | None]:
        return counters.cpu_microseconds(), counters.memory_peak(), counters.kills()

    def test_version_2(self) -> None:
        files = {
            "cpu.stat": "usage_usec 1234\nuser_usec 1\n",
            "memory.current": "5\n",
            "memory.events": "low 0\noom 7\noom_kill 3\noom_group_kill 9\n",
        }
        counters = self.counters(files)
        self.assertEqual(self.values(counters), (1234, 5, 3))
        self.assertEqual(counters.counted(), {"memory": True, "cpu": True})
        self.assertEqual(self.counters({**files, "memory.peak": "77\n"}).memory_peak(), 77)

    def test_version_1(self) -> None:
        counters = self.counters(
            {
                "cpuacct/cpuacct.usage": "1234567\n",
                "memory/memory.max_usage_in_bytes": "99\n",
                "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            }
        )
        self.assertEqual(self.values(counters), (1234, 99, 2))

    def test_nothing_and_nonsense(self) -> None:
        for files in ({}, {"cpu.stat": "x\n", "memory.peak": "max\n", "memory.events": ""}):
            counters = self.counters(files)
            self.assertEqual(self.values(counters), (None, None, None))
            self.assertEqual(counters.counted(), {"memory": False, "cpu": False})


class LanguagesTest(unittest.TestCase):
    """Kernelspecs."""

    def test_the_first_place_counts_and_what_is_broken_is_left_out(self) -> None:
        spec = {"argv": ["x"], "language": "R", "display_name": "R"}
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            for place, name, text in (
                (first, "IR", json.dumps(spec)),
                (second, "ir", json.dumps({**spec, "display_name": "other"})),
                (second, "deno", json.dumps({"argv": ["x"], "language": " TypeScript "})),
                (second, "python3", json.dumps({**spec, "language": "python"})),
                (second, "odd", json.dumps({**spec, "display_name": "\ud800"})),
                *((second, f"broken{index}", text) for index, text in enumerate(BROKEN)),
            ):
                os.mkdir(f"{place}/{name}")
                with open(f"{place}/{name}/kernel.json", "w", encoding="utf-8") as file:
                    file.write(text)
            os.mkdir(f"{second}/empty")
            complaints = io.StringIO()
            with contextlib.redirect_stderr(complaints):
                found = guest_languages.find([first, second, "/nowhere"])
        self.assertEqual(
            found,
            [
                {"name": "deno", "language": "typescript", "display_name": "deno"},
                {"name": "ir", "language": "r", "display_name": "R"},
                {"name": "odd", "language": "r", "display_name": "?"},
            ],
        )
        self.assertEqual(complaints.getvalue().count("is left out"), 8)


class DraftTest(unittest.TestCase):
    """Files without a name, and what takes their place where there are none."""

    def test_drafts_are_published_or_vanish(self) -> None:
        # The second is what a kernel makes of O_TMPFILE that does not know it.
        for flags in (guest_tree._WITHOUT_NAME, os.O_DIRECTORY | os.O_WRONLY):
            with (
                self.subTest(flags=flags),
                tempfile.TemporaryDirectory() as folder,
                unittest.mock.patch.object(guest_tree, "_WITHOUT_NAME", flags),
            ):
                tree = guest_tree.Tree(folder)
                self.addCleanup(os.close, tree.root)
                for content, is_new in ((b"one", True), (b"two", False)):
                    draft = guest_tree.Draft(tree.root)
                    draft.append(content)
                    published = tree.publish(draft, [b"a", b"b"], True, lambda _: True)
                    draft.close()
                    with open(f"{folder}/a/b", "rb") as file:
                        self.assertEqual(file.read(), content)
                    self.assertEqual(published, (is_new, guest_tree.entity_tag(os.stat(f"{folder}/a/b"))))
                guest_tree.Draft(tree.root).close()
                self.assertEqual((os.listdir(folder), os.listdir(f"{folder}/a")), (["a"], ["b"]))


class CreditTest(unittest.TestCase):
    """The arithmetic of credit."""

    def test_grants_come_in_pieces_and_add_up(self) -> None:
        out = guest_stream.Outgoing()
        credit = guest_stream.Credit(out, 7)
        for _ in range(100):
            credit.receive(100_000)
            credit.pass_on(100_000)
        packets = out.size // 13
        self.assertEqual(out.size, packets * 13)
        self.assertEqual(packets, 10_000_000 // 300_000)
        credit.receive(guest_stream.WINDOW - 100_000)
        self.assertRaises(guest_stream.PacketError, credit.receive, 1)
        credit.sendable -= 5
        credit.add(struct.pack("<I", 7))
        self.assertEqual(credit.sendable, guest_stream.WINDOW + 2)


if __name__ == "__main__":
    unittest.main()
