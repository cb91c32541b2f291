"""A kernel that misbehaves: what it is told to execute names what it does wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import sys
import time
from typing import Any

import zmq

DELIMITER = b"<IDS|MSG>"


class FakeKernel:
    """Answers one request after another, each in the way its code names."""

    def __init__(self, connection_file: str) -> None:
        with open(connection_file, encoding="utf-8") as file:
            self.connection: dict[str, Any] = json.load(file)
        context = zmq.Context()
        self.stdin = self.open(context, "stdin", zmq.ROUTER)
        self.control = self.open(context, "control", zmq.ROUTER)
        self.iopub = self.open(context, "iopub", zmq.PUB)
        # Last: who reaches this one has reached the others.
        self.shell = self.open(context, "shell", zmq.ROUTER)
        self.parent: dict[str, Any] = {}
        self.peer = b""
        self.count = 0

    def open(self, context: zmq.Context[Any], name: str, kind: int) -> zmq.Socket[bytes]:
        opened: zmq.Socket[bytes] = context.socket(kind)
        opened.linger = 0
        separator = "-" if self.connection["transport"] == "ipc" else ":"
        address = f"{self.connection['ip']}{separator}{self.connection[name + '_port']}"
        opened.bind(f"{self.connection['transport']}://{address}")
        return opened

    def parts(self, kind: str, content: bytes, parent: object, is_signed: bool = True) -> list[bytes]:
        header = {"msg_id": os.urandom(8).hex(), "msg_type": kind, "session": "s", "username": "u", "version": "5.3"}
        parts = [json.dumps(header).encode(), json.dumps(parent).encode(), b"{}", content]
        digest = hmac.new(self.connection["key"].encode(), b"".join(parts), hashlib.sha256).hexdigest().encode()
        return [DELIMITER, digest if is_signed else b"0" * 64, *parts]

    def publish(self, kind: str, content: object, parent: object = None, is_signed: bool = True) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        topic = kind.encode()
        self.iopub.send_multipart(
            [topic, *self.parts(kind, body, self.parent if parent is None else parent, is_signed)]
        )

    def reply(self, kind: str, content: object) -> None:
        self.shell.send_multipart([self.peer, *self.parts(kind, json.dumps(content).encode(), self.parent)])

    def say(self, text: str, **more: Any) -> None:
        self.publish("stream", {"name": "stdout", "text": text}, **more)

    def finish(self, *, with_reply: bool = True, with_idle: bool = True) -> None:
        if with_reply:
            self.reply("execute_reply", {"status": "ok", "execution_count": self.count})
        if with_idle:
            self.publish("status", {"execution_state": "idle"})

    def run(self) -> None:
        while True:
            self.peer, *parts = self.shell.recv_multipart()
            body = parts[parts.index(DELIMITER) + 2 :]
            self.parent, content = json.loads(body[0]), json.loads(body[3])
            self.publish("status", {"execution_state": "busy"})
            if self.parent["msg_type"] == "kernel_info_request":
                self.reply("kernel_info_reply", {"status": "ok", "implementation": "fake"})
                self.publish("status", {"execution_state": "idle"})
            elif self.parent["msg_type"] == "execute_request":
                self.count += 1
                self.publish("execute_input", {"code": content["code"], "execution_count": self.count})
                name, _, argument = content["code"].partition(" ")
                getattr(self, "do_" + name)(argument)

    # What it does wrong

    def do_echo(self, text: str) -> None:
        self.say(text)
        self.finish()

    def do_huge(self, _: str) -> None:
        self.say("x" * (3 << 20))
        self.publish("display_data", {"data": {"text/plain": "y" * (40 << 20)}, "metadata": {}})
        self.finish()

    def do_beyond(self, _: str) -> None:
        """Longer than anything that is accepted."""
        self.say("x" * (65 << 20))
        self.finish()

    def do_deep(self, _: str) -> None:
        depth = 100_000
        self.publish("stream", b'{"name":"stdout","text":"deep","more":' + b"[" * depth + b"]" * depth + b"}")
        value = json.loads("[" * 800 + "]" * 800)
        self.publish("display_data", {"data": {"application/json": value, "text/plain": "kept"}})
        self.finish()

    def do_types(self, _: str) -> None:
        for content in (
            b"[]",
            b"null",
            b"1",
            b'"text"',
            b"{",
            b"\xff",
            b'{"name":1,"text":[]}',
            b'{"name":"stdin","text":"no"}',
        ):
            self.publish("stream", content)
            self.publish("display_data", content)
            self.publish("status", content)
        bundles: tuple[object, ...] = (
            [],
            None,
            {"text/plain": 5, "": "no", "image/png": ["a", "b"], "x/y": None, "z/z" * 200: "no"},
        )
        for data in bundles:
            self.publish("display_data", {"data": data})
        self.publish("status", {"execution_state": ["idle"]})
        self.publish("stream", {"name": "stdout", "text": "\ud800 kept"})
        self.publish("stream", {"name": "stdout", "text": "no"}, parent=["list"])
        self.publish("stream", {"name": "stdout", "text": "no"}, parent={"msg_id": 7})
        self.iopub.send_multipart([b"topic"])
        self.iopub.send_multipart([DELIMITER, b"", b""])
        self.shell.send_multipart([self.peer, b"nothing"])
        self.reply("execute_reply", [])
        self.reply("execute_reply", {"status": "error", "ename": ["x"], "evalue": {"a": 1}, "traceback": "text"})
        self.finish(with_reply=False)

    def do_numbers(self, _: str) -> None:
        values = b'NaN,Infinity,-Infinity,1e400,1.5,"\\ud800",' + b"9" * 400
        self.publish("display_data", b'{"data":{"application/json":[%s]}}' % values)
        self.finish()

    def do_forged(self, _: str) -> None:
        """Messages of others, and messages nobody signed, end nothing and are no results."""
        other = {"msg_id": "forged", "msg_type": "execute_request"}
        self.publish("status", {"execution_state": "idle"}, parent=other)
        self.publish("status", {"execution_state": "idle"}, is_signed=False)
        self.say("unsigned", is_signed=False)
        self.publish("execute_result", {"data": {"text/plain": "forged"}}, parent=other)
        self.publish("error", {"ename": "Forged", "evalue": "", "traceback": []}, parent=other)
        self.shell.send_multipart([self.peer, *self.parts("execute_reply", b'{"status":"ok"}', other)])
        time.sleep(1.5)
        self.say("true")
        self.finish()

    def do_idle_first(self, _: str) -> None:
        """Says that it is done, and goes on."""
        self.finish()
        time.sleep(0.3)
        self.say("late")

    def do_no_idle(self, _: str) -> None:
        self.say("said")
        self.finish(with_idle=False)

    def do_no_reply(self, _: str) -> None:
        self.say("said")
        self.finish(with_reply=False)

    def do_no_end(self, _: str) -> None:
        self.say("said")
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.sigwait([signal.SIGUSR1])

    def do_interruptible(self, _: str) -> None:
        try:
            self.say("waiting")
            time.sleep(60)
        except KeyboardInterrupt:
            self.say("interrupted")
        self.reply("execute_reply", {"status": "error", "ename": "", "evalue": ""})
        self.finish(with_reply=False)

    def do_die(self, status: str) -> None:
        self.say("last words")
        # Sent by a thread of ZeroMQ's.
        time.sleep(0.2)
        print("complaint", file=sys.stderr, flush=True)
        os._exit(int(status))

    def do_kill(self, _: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def do_die_after(self, _: str) -> None:
        self.finish()
        time.sleep(0.2)
        os._exit(3)

    def do_quit(self, _: str) -> None:
        payload = [7, {"source": "page"}, {"source": "ask_exit", "keepkernel": False}]
        self.reply("execute_reply", {"status": "ok", "execution_count": self.count, "payload": payload})
        self.finish(with_reply=False)

    def do_ask(self, _: str) -> None:
        """Asks for input although it was told not to."""
        self.stdin.send_multipart([self.peer, *self.parts("input_request", b'{"prompt":"? "}', self.parent)])
        answer = self.stdin.recv_multipart()
        self.say(json.loads(answer[-1])["value"] + "answered")
        self.finish()

    def do_dropped(self, _: str) -> None:
        for kind in ("update_display_data", "clear_output", "comm_open", "debug_event", "invented"):
            self.publish(kind, {"data": {"text/plain": kind}, "wait": False})
        self.finish()

    def do_flood(self, _: str) -> None:
        while True:
            self.say("flood " * 1000)


if __name__ == "__main__":
    if sys.argv[1] == "never":
        time.sleep(3600)
    elif sys.argv[1] == "fails":
        sys.exit("this kernel cannot start")
    FakeKernel(sys.argv[2]).run()
