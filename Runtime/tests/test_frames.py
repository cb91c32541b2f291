"""The frames of the channel."""

from __future__ import annotations

import os
import socket
import threading
import unittest

import harness

import frames


class Frames(unittest.TestCase):
    """Both ends of one channel; bytes go in at `raw`."""

    def setUp(self) -> None:
        """Make a connected pair."""
        self.connect()

    def connect(self) -> None:
        """Make a connected pair, in the place of an earlier one."""
        self.raw, ours = socket.socketpair()
        self.raw.settimeout(harness.DEADLINE)
        self.channel = frames.Channel(ours.fileno())
        self.addCleanup(self.raw.close)
        self.addCleanup(ours.close)
        self.addCleanup(self.channel.detach)

    def put(self, data: bytes) -> None:
        """Send bytes, then the end of the stream, from another thread."""
        raw = self.raw

        def send() -> None:
            try:
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        thread = threading.Thread(target=send)
        thread.start()
        self.addCleanup(thread.join, harness.DEADLINE)

    def test_layout(self) -> None:
        """A frame is its length in four little-endian bytes, then compact JSON in ASCII."""
        self.channel.send({"type": "é", "n": 1})
        self.assertEqual(self.raw.recv(100), b'\x17\0\0\0{"type":"\\u00e9","n":1}')
        self.put(b'\x0e\0\0\0{"type":"run"}')
        self.assertEqual(self.channel.receive(), ({"type": "run"}, []))

    def test_pieces(self) -> None:
        """However the stream is cut up, frames come out whole and in order."""
        whole = b'\x0e\0\0\0{"type":"one"}' + b'\x0e\0\0\0{"type":"two"}'

        def drip() -> None:
            for position in range(len(whole)):
                self.raw.sendall(whole[position : position + 1])

        thread = threading.Thread(target=drip)
        thread.start()
        self.assertEqual(self.channel.receive()[0]["type"], "one")
        self.assertEqual(self.channel.receive()[0]["type"], "two")
        thread.join(harness.DEADLINE)

    def test_large(self) -> None:
        """A frame larger than any socket buffer arrives, in both directions."""
        text = "x" * (frames.MAXIMUM_SENT - 100)
        received: list[bytes] = []
        count = 4 + len(text) + len('{"type":""}')
        reader = threading.Thread(target=lambda: received.append(self.raw.recv(count, socket.MSG_WAITALL)))
        self.raw.settimeout(None)
        reader.start()
        self.channel.send({"type": text})
        reader.join(harness.DEADLINE)
        self.assertEqual(received[0][4:], b'{"type":"%s"}' % text.encode())
        body = b'{"type":"%s"}' % (b"y" * (8 << 20))
        self.put(len(body).to_bytes(4, "little") + body)
        self.assertEqual(len(str(self.channel.receive()[0]["type"])), 8 << 20)

    def test_too_long(self) -> None:
        """Nobody sends or accepts more than the limit."""
        with self.assertRaises(frames.FrameError):
            self.channel.send({"type": "x" * frames.MAXIMUM_SENT})
        self.put(b"\xff\xff\xff\xff")
        with self.assertRaises(frames.FrameError):
            self.channel.receive()

    def test_end(self) -> None:
        """The end between two frames is no error of the protocol; the end inside one is."""
        for data, error in (
            (b"", EOFError),
            (b"\x0e\0", frames.FrameError),
            (b"\x0e\0\0\0", frames.FrameError),
            (b'\x0e\0\0\0{"type"', frames.FrameError),
        ):
            with self.subTest(data=data):
                self.connect()
                self.put(data)
                with self.assertRaises(error):
                    self.channel.receive()

    def test_no_frame(self) -> None:
        """What is not an object with a type is refused."""
        for body in (
            b"",
            b"x",
            b"[]",
            b"1",
            b'{"type":1}',
            b"{}",
            b'"type"',
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"type":"a"',
        ):
            with self.subTest(body=body[:20]):
                self.connect()
                self.put(len(body).to_bytes(4, "little") + body)
                with self.assertRaises(frames.FrameError):
                    self.channel.receive()

    def test_descriptors(self) -> None:
        """Descriptors come with the frame they ride on, in order and close-on-exec."""
        read, write = os.pipe()
        body = b'{"type":"run"}'
        socket.send_fds(self.raw, [len(body).to_bytes(4, "little") + body], [read, write])
        socket.send_fds(self.raw, [len(body).to_bytes(4, "little")[:1]], [write])
        self.raw.sendall((len(body).to_bytes(4, "little") + body)[1:])
        _, first = self.channel.receive()
        _, second = self.channel.receive()
        self.assertEqual((len(first), len(second)), (2, 1))
        os.write(first[1], b"a")
        os.write(second[0], b"b")
        self.assertEqual(os.read(first[0], 9), b"ab")
        self.assertFalse(any(os.get_inheritable(number) for number in first + second))
        for number in (read, write, *first, *second):
            os.close(number)

    def test_sending_descriptors(self) -> None:
        """A channel sends descriptors too."""
        with open(os.devnull, "rb") as nothing:
            self.channel.send({"type": "x"}, (nothing.fileno(), nothing.fileno()))
            data, descriptors, _, _ = socket.recv_fds(self.raw, 100, 8)
        self.assertEqual((data[4:], len(descriptors)), (b'{"type":"x"}', 2))
        for number in descriptors:
            os.close(number)

    def test_gone(self) -> None:
        """Sending to nobody is an error, not a signal."""
        self.raw.close()
        with self.assertRaises(OSError):
            self.channel.send({"type": "x"})


if __name__ == "__main__":
    unittest.main()
