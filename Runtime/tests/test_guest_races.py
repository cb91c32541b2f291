"""Files of a guest while a program exchanges directories, files and links as fast as it can."""

from __future__ import annotations

import time
import unittest

import guest_harness as harness
from guest_harness import DATA, END, SIGNAL, STDOUT, GuestTest, program

#: What lies outside of the workspace, in the container's /tmp, which is the user's own too.
SECRET = b"SECRET OUTSIDE"

ATTACKER = """
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    def exchange(a, b):
        libc.renameat2(-100, a, -100, b, 2)
    def make(name, target):
        try: os.symlink(target, name)
        except OSError: pass
    os.mkdir('/tmp/outside')
    for name in 'secret', 'kept': open('/tmp/outside/' + name, 'w').write('SECRET OUTSIDE')
    os.makedirs('d'); os.makedirs('deep/x/y'); os.mkdir('moved'); open('f', 'w').write('inside')
    make('link', '/tmp/outside'); make('up', '../../tmp/outside'); make('flink', '/tmp/outside/secret')
    make('fup', '../../tmp/outside/secret')
    for name in 'deep/x/y', 'moved':
        open(name + '/z', 'w').write('inside')
        make(name + '/back', '../../../tmp/outside/secret')
    pairs = [(b'd', b'link'), (b'f', b'flink'), (b'd', b'up'), (b'f', b'fup'), (b'deep/x/y', b'moved')]
    print('ready', flush=True)
    while True:
        for a, b in pairs: exchange(a, b)
        make('d', '../tmp/outside'); make('f', '../tmp/outside/secret')
        for name in 'd', 'd2':
            try: os.mkdir(name)
            except OSError: pass
        try:
            with open('d/secret', 'x') as file: file.write('inside')
        except OSError: pass
"""

#: What may come of a request; all else would be a mistake.
EXPECTED = {
    *("notFound", "notADirectory", "isADirectory", "notARegularFile", "outsideWorkspace", "permissionDenied"),
    *("busy", "conditionFailed"),
}


class RaceTest(GuestTest):
    """Nothing outside is read, written or removed."""

    def test_a_program_that_races(self) -> None:
        for guest in self.both():
            attacker = guest.prepare()
            attacker.begin(program(ATTACKER))
            guest.wait(lambda: attacker.has(STDOUT), "the attacker")  # noqa: B023
            done, refused = 0, set()
            end = time.monotonic() + 4
            while time.monotonic() < end:
                for path in ("d/secret", "f", "up/secret", "deep/x/y/back", "moved/back", "deep/x/y/z", "d"):
                    for answer in self.everything(guest, path):
                        done += answer.error is None
                        if answer.error is not None:
                            refused.add(answer.error)
                        self.assertNotIn(SECRET, answer.data, path)
            self.assertGreater(done, 20)
            self.assertLessEqual(refused, EXPECTED)
            self.assertIn("outsideWorkspace", refused)
            attacker.send(SIGNAL, b"\x09")
            attacker.outcome()
            look = "import os\nfor n in sorted(os.listdir('/tmp/outside')): print(n, open('/tmp/outside/' + n).read())"
            self.assertEqual(guest.run(look).stdout, "kept SECRET OUTSIDE\nsecret SECRET OUTSIDE\n")

    def everything(self, guest: harness.Guest, path: str) -> list[harness.Answer]:
        """Every kind of request about a path, several on their way at once."""
        named = {"path": path.encode().hex()}
        opened = guest.open(type="open", follow=True, **named)
        listed = guest.open(type="list", limit=100, **named)
        written = guest.open(type="write", limit=100, condition={"if": "none"}, follow=True, **named)
        staged = guest.open(type="stage", sha256="0", **named)
        for stream in (written, staged):
            if not stream.is_over:
                stream.send(DATA, b"inside")
                stream.send(END)
        removed = guest.open(type="remove", **named)
        answers = [stream.answer() for stream in (opened, listed, written, staged, removed)]
        if answers[0].error is None:
            answers.append(guest.ask("read", handle=opened.number, offset=0, length=100))
            answers.append(guest.ask("close", handle=opened.number))
        limits = {"count": 9, "file_bytes": 999, "total_bytes": 999, "depth": 9, "entries": 99}
        return [*answers, guest.ask("produced", None, **limits)]


if __name__ == "__main__":
    unittest.main()
