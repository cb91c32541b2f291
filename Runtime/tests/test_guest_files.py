"""What a guest does with the files of the workspace."""

from __future__ import annotations

import hashlib
import os
import unittest
from typing import Any

import guest_harness as harness
from guest_harness import CANCEL, DATA, END, Guest, GuestTest, program

LIMITS: dict[str, Any] = {"count": 100, "file_bytes": 1 << 30, "total_bytes": 1 << 30, "depth": 32, "entries": 20_000}


def names(guest: Guest, path: str | bytes = "", limit: int = 1000) -> list[bytes]:
    """The names in a directory, sorted."""
    answer = guest.ask("list", path, limit=limit)
    if answer.result is None:
        raise OSError(answer.error)
    return sorted(bytes.fromhex(line["name"]) for line in answer.lines())


class FileTest(GuestTest):
    """One client."""

    def assert_error(self, expected: str, answer: harness.Answer) -> None:
        self.assertEqual((answer.result, answer.error), (None, expected))

    def produced(self, guest: Guest, **limits: int) -> tuple[list[tuple[str, int]], int]:
        """Path and size of each file, and how many were left out."""
        answer = guest.ask("produced", None, **{**LIMITS, **limits})
        assert answer.result is not None, answer
        files = [(bytes.fromhex(line["path"]).decode(), line["size"]) for line in answer.lines()]
        return files, answer.result["omitted"]

    def test_the_life_of_a_file(self) -> None:
        for guest in self.both():
            content = os.urandom(3_000_000)
            first = guest.put("a/b/c.txt", content)
            assert first.result is not None
            self.assertTrue(first.result["new"])
            self.assertEqual(guest.get("a/b/c.txt"), content)
            self.assertEqual(guest.get("a/b/c.txt", 1_000_000, 5), content[1_000_000:1_000_005])
            self.assertEqual(guest.get("a/b/c.txt", 2_999_990, 500), content[2_999_990:])
            opened = guest.ask("open", "a/b/c.txt", follow=True).result
            assert opened is not None
            self.assertEqual((opened["size"], opened["tag"]), (len(content), first.result["tag"]))
            self.assertRegex(opened["tag"], '^"[0-9a-f]+-2dc6c0-[0-9a-f]+-[0-9a-f]+"$')
            self.assertEqual(guest.put("a/b/c.txt", b"").result["new"], False)  # type: ignore[index]
            self.assertEqual(guest.get("a/b/c.txt"), b"")
            look = "import os\nfor n in 'a/b/c.txt', 'a': s = os.stat(n); print(s.st_uid, s.st_gid, oct(s.st_mode))"
            self.assertEqual(guest.run(look).stdout, "1000 1000 0o100644\n1000 1000 0o40755\n")
            self.assertEqual(names(guest, "a/b"), [b"c.txt"])
            self.assertEqual(guest.ask("remove", "a/b/c.txt").result, {})
            self.assertEqual(names(guest, "a/b"), [])

    def test_listings(self) -> None:
        with self.guest() as guest:
            code = """
                import os, socket
                os.mkdir('d'); open('f', 'w').write('12345')
                os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket')
                links = {'to-d': 'd', 'to-f': 'f', 'out': '/etc', 'up': '..', 'no': 'where', 'loop': 'loop'}
                for name, target in links.items(): os.symlink(target, name)
                open(b'\\xff\\n', 'w')
            """
            self.assertEqual(guest.run(program(code)).stderr, "")
            entries = {bytes.fromhex(e["name"]): e for e in guest.ask("list", "", limit=100).lines()}
            directories = {name for name, entry in entries.items() if entry["directory"]}
            self.assertEqual(directories, {b"d", b"to-d"})
            sizes = {name: entry["size"] for name, entry in entries.items() if entry["size"] is not None}
            self.assertEqual(sizes, {b"f": 5, b"to-f": 5, b"\xff\n": 0})
            self.assertEqual(len(entries), 11)
            self.assertGreater(entries[b"f"]["seconds"], 1_000_000_000)
            self.assertEqual(guest.ask("list", "", limit=11).result, {"truncated": False})
            short = guest.ask("list", "", limit=4)
            self.assertEqual((len(short.lines()), short.result), (4, {"truncated": True}))
            self.assert_error("notADirectory", guest.ask("list", "f", limit=1))
            self.assert_error("notADirectory", guest.ask("list", "pipe", limit=1))
            self.assert_error("notFound", guest.ask("list", "missing", limit=1))
            guest.run("import os\nos.mkdir('many')\nfor i in range(5000): open(f'many/{i}', 'w')")
            self.assertEqual(len(names(guest, "many", 10_000)), 5000)

    def test_links(self) -> None:
        for guest in self.both():
            links = dict(
                [("file", "d/f"), ("folder", "d"), ("hop", "file"), ("slash", "d/"), ("fileslash", "d/f/")]
                + [("d/back", "../file"), ("up", ".."), ("upper", "d/../../etc"), ("absolute", "/etc")]
                + [("own", "/home/user/d/f"), ("proc", "/proc/self/root"), ("dangling", "nowhere"), ("loop", "loop")]
            )
            guest.put("d/f", b"inside")
            guest.run(f"import os\nfor name, target in {links!r}.items(): os.symlink(target, name)")
            for path in ("file", "folder/f", "hop", "d/back", "folder/back", "slash/f"):
                self.assertEqual(guest.get(path), b"inside", path)
            for path in ("up/x", "upper/passwd", "absolute/passwd", "own", "proc/etc/passwd", "up"):
                self.assert_error("outsideWorkspace", guest.ask("open", path, follow=True))
            for path in ("up", "absolute", "proc"):
                self.assert_error("outsideWorkspace", guest.ask("list", path, limit=1))
                self.assert_error("outsideWorkspace", guest.put(path + "/new", b"x"))
                self.assert_error("outsideWorkspace", guest.ask("remove", path + "/x"))
            for path in ("dangling", "loop", "dangling/x"):
                self.assert_error("notFound", guest.ask("open", path, follow=True))
            self.assert_error("notADirectory", guest.ask("open", "fileslash", follow=True))
            for path in ("file", "folder/f"):
                self.assert_error("notARegularFile", guest.ask("open", path, follow=False))
            self.assertIsNotNone(guest.put("folder/new/deep", b"x").result)
            self.assertEqual(names(guest, "d"), [b"back", b"f", b"new"])
            # The last name is never followed.
            self.assertEqual(guest.put("up", b"a file").result["new"], False)  # type: ignore[index]
            self.assertEqual(guest.get("up"), b"a file")
            for path in ("absolute", "folder", "dangling", "loop"):
                self.assertEqual(guest.ask("remove", path).result, {})
            self.assertEqual(guest.get("d/f"), b"inside")

    def test_wrong_kinds_and_paths(self) -> None:
        with self.guest() as guest:
            guest.put("d/f", b"x")
            guest.run("import os, socket\nos.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket')")
            for path in ("d", ""):
                self.assert_error("isADirectory", guest.ask("open", path, follow=True))
                self.assert_error("isADirectory", guest.put(path, b"x"))
            self.assert_error("isRoot", guest.ask("remove", ""))
            for path in ("d/f/x", "d/f/x/y"):
                self.assert_error("notADirectory", guest.ask("open", path, follow=True))
                self.assert_error("notADirectory", guest.put(path, b"x"))
            for path in ("pipe", "socket"):
                self.assert_error("notARegularFile", guest.ask("open", path, follow=True))
                self.assert_error("notARegularFile", guest.put(path, b"x"))
                self.assertEqual(guest.ask("remove", path).result, {})
            self.assert_error("notFound", guest.ask("remove", "missing"))
            self.assert_error("notFound", guest.ask("remove", "missing/x"))
            for path in ("a//b", "./a", "a/..", "..", "/etc", "a/"):
                self.assert_error("outsideWorkspace", guest.put(path, b"x"))
                self.assert_error("outsideWorkspace", guest.ask("remove", path))
            self.assert_error("invalidPath", guest.put(b"a\0b", b"x"))
            for path in ("n" * 256, "/".join(["n" * 200] * 30)):
                self.assert_error("nameTooLong", guest.put(path, b"x"))
            self.assert_error("notFound", guest.ask("read", handle=99, offset=0, length=1))
            self.assert_error("notADirectory", guest.ask("open", "d/f", follow=True, directory=True))
            self.assert_error("notADirectory", guest.ask("remove", "d/f", directory=True))
            self.assertEqual(guest.ask("remove", "d", directory=True).result, {})
            self.assertEqual(names(guest), [])

    def test_writes_that_fail_leave_the_old_file_and_no_trace(self) -> None:
        for guest in self.both():
            guest.put("f", b"old")
            self.assert_error("tooLarge", guest.put("f", b"123456", limit=5))
            self.assert_error("tooLarge", guest.put("g/h", b"123456", limit=5))
            self.assert_error("full", guest.put("f", bytes(70 << 20)))
            stream = guest.open(type="write", path=b"f".hex(), limit=100, condition={"if": "none"}, follow=True)
            stream.send(DATA, b"new")
            stream.send(CANCEL)
            self.assert_error("cancelled", stream.answer())
            stream = guest.open(type="stage", path=b"s/t".hex(), sha256="0")
            stream.send(DATA, b"new")
            stream.send(CANCEL)
            self.assert_error("cancelled", stream.answer())
            self.assertEqual((guest.get("f"), names(guest)), (b"old", [b"f"]))

    def test_conditions(self) -> None:
        with self.guest() as guest:
            exists, missing = {"if": "exists"}, {"if": "missing"}
            early = guest.open(type="write", path=b"a/f".hex(), limit=9, condition=exists, follow=True)
            self.assert_error("conditionFailed", early.answer())
            self.assert_error("conditionFailed", guest.put("a/f", b"x", condition={"if": "tags", "tags": ['"1"']}))
            self.assertEqual(names(guest), [])
            first = guest.put("f", b"1", condition=missing).result
            assert first is not None
            self.assert_error("conditionFailed", guest.put("f", b"2", condition=missing))
            tags = {"if": "tags", "tags": ['"x"', first["tag"]]}
            # Two that begin while it holds: one of them, whichever, finds it true in the end.
            racing = [guest.open(type="write", path=b"f".hex(), limit=9, condition=tags, follow=True) for _ in range(2)]
            for stream in racing:
                stream.send(DATA, b"2")
                stream.send(END)
            self.assertCountEqual([stream.answer().error for stream in racing], [None, "conditionFailed"])
            self.assertEqual(guest.get("f"), b"2")
            self.assertIsNotNone(guest.put("f", b"3", condition=exists).result)

    def test_handles(self) -> None:
        with self.guest() as guest:
            guest.put("f", b"x" * 1000)
            opened = [guest.open(type="open", path=b"f".hex(), follow=True) for _ in range(65)]
            answers = [stream.answer() for stream in opened]
            self.assertEqual([answer.error for answer in answers], [None] * 64 + ["busy"])
            guest.put("f", b"new")
            held = {"handle": opened[0].number, "offset": 0, "length": 2000}
            self.assertEqual(guest.ask("read", None, **held).data, b"x" * 1000)
            self.assertEqual(guest.ask("close", handle=opened[0].number).result, {})
            self.assert_error("notFound", guest.ask("read", None, **held))
            self.assertEqual(guest.get("f"), b"new")

    def test_a_slow_reader_of_a_large_file_holds_nobody_up(self) -> None:
        with self.guest() as guest:
            guest.run("open('sparse', 'wb').truncate(1 << 40)\nopen('f', 'w').write('x')")
            before = guest.memory()
            opened = guest.open(type="open", path=b"sparse".hex(), follow=True)
            opened.answer()
            stream = guest.open(type="read", handle=opened.number, offset=5, length=1 << 40)
            stream.grants = False
            guest.wait(lambda: stream.received == harness.WINDOW, "the window")
            self.assertEqual(guest.get("f"), b"x")
            self.assertEqual(guest.run("print(1)").stdout, "1\n")
            self.assertEqual(stream.received, harness.WINDOW)
            stream.grant()
            guest.wait(lambda: stream.received == 2 * harness.WINDOW, "the next")
            stream.send(CANCEL)
            self.assert_error("cancelled", stream.answer())
            self.assertLess(guest.memory() - before, 4 << 20)

    def test_directories_are_removed_with_all_they_hold(self) -> None:
        for guest in self.both():
            code = """
                import os
                os.makedirs('t/a/b/c'); os.mkdir('kept'); open('kept/f', 'w').write('kept')
                open('t/a/b/f', 'w'); os.mkfifo('t/p'); os.symlink('../kept', 't/link'); os.symlink('/tmp', 't/a/out')
                os.chmod('t/a/b', 0); os.chmod('t/a', 0o500)
                os.mkdir('deep'); os.chdir('deep')
                for _ in range(3000): os.mkdir('d'); os.chdir('d')
            """
            self.assertEqual(guest.run(program(code)).stderr, "")
            for path in ("t", "deep"):
                self.assertEqual(guest.ask("remove", path).result, {})
            self.assertEqual((names(guest), guest.get("kept/f")), ([b"kept"], b"kept"))

    def test_what_modes_forbid(self) -> None:
        for guest in self.both():
            guest.put("d/f", b"x")
            guest.run("import os; os.chmod('d/f', 0)")
            self.assertEqual(guest.get("d/f"), b"x")
            guest.run("import os; os.chmod('d', 0)")
            self.assertEqual(names(guest, "d"), [b"f"])
            guest.run("import os; os.chmod('d', 0)")
            self.assertEqual(self.produced(guest), ([("d/f", 1)], 0))
            guest.run("import os; os.chmod('/home/user', 0)")
            self.assert_error("permissionDenied", guest.put("new", b"x"))
            self.assertEqual(self.produced(guest), ([("d/f", 1)], 0))
            self.assertIsNotNone(guest.put("new", b"x").result)

    def test_what_was_produced(self) -> None:
        for guest in self.both():
            digest = hashlib.sha256(b"content").hexdigest()
            for name in ("untouched", "touched", "rewritten", "changed", "grown", "deleted", "renamed", "in/deep"):
                self.assertEqual(guest.put(name, b"content", "stage", sha256=digest).result, {"size": 7})
            guest.put("__main__.py", b"pass", "stage", sha256="0")
            code = """
                import mmap, os, socket
                os.utime('touched'); open('rewritten', 'w').write('content')
                os.remove('deleted'); os.rename('renamed', 'other')
                open('grown', 'a').write('!')
                with open('changed', 'r+b') as file, mmap.mmap(file.fileno(), 7) as content: content[0:1] = b'C'
                os.makedirs('a/b'); open('a/b/new', 'wb').write(bytes(300)); os.mkdir('p'); open('p/__main__.py', 'w')
                os.symlink('grown', 'link'); os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket')
                open(b'bad\\xff', 'w'); open('__main__.py', 'a').write('#'); open('sparse', 'w').truncate(1 << 42)
                open('closed', 'w').write('x'); os.chmod('closed', 0)
            """
            self.assertEqual(guest.run(program(code)).stderr, "")
            expected = [
                ("a/b/new", 300),
                ("changed", 7),
                ("closed", 1),
                ("grown", 8),
                ("other", 7),
                ("p/__main__.py", 0),
            ]
            self.assertEqual(self.produced(guest), (expected, 1))
            self.assertEqual(self.produced(guest, count=2), (expected[:2], 5))
            self.assertEqual(self.produced(guest, file_bytes=7), ([f for f in expected if f[1] <= 7], 3))
            self.assertEqual(self.produced(guest, total_bytes=10), ([expected[1], expected[2], expected[5]], 4))
            self.assertEqual(self.produced(guest, depth=1)[0], expected[1:])
            self.assertGreater(self.produced(guest, entries=3)[1], 0)

    def test_staging(self) -> None:
        with self.guest() as guest:
            guest.run("import os\nos.symlink('/tmp', 'out'); os.symlink('f', 'link'); os.mkdir('d'); os.mkfifo('pipe')")
            for path in ("out/x", "link", "d", "pipe", "link/x", ""):
                self.assert_error("notARegularFile", guest.put(path, b"x", "stage", sha256="0"))
            for content in (b"first", b"second"):
                self.assertEqual(guest.put("x/y", content, "stage", sha256="0").result, {"size": len(content)})
            self.assertEqual(guest.get("x/y"), b"second")
            self.assertEqual(guest.run("print(open('x/y').read())").stdout, "second\n")


if __name__ == "__main__":
    unittest.main()
