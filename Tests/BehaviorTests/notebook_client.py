"""Uses the notebook routes the way the clients people have do: `notebook_client.py URL` prints ok, or fails with what was wrong.

Lines are split with `str.splitlines`, fields are taken without looking whether they are there, and unknown fields are kept aside, as those
clients do. Standard library only.
"""

from __future__ import annotations

import base64
import codecs
import json
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

FORMATS = ("text", "html", "markdown", "svg", "png", "jpeg", "pdf", "latex", "json", "javascript", "data", "chart")


@dataclass
class Result:
    """One result: every format that is there, and the rest."""

    formats: dict[str, Any]
    extra: dict[str, Any]
    is_main_result: bool


@dataclass
class Execution:
    """What a cell came to."""

    results: list[Result] = field(default_factory=list)
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    error: tuple[str, str, str] | None = None
    execution_count: int | None = None
    ignored: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False

    @property
    def text(self) -> str | None:
        return next((result.formats.get("text") for result in self.results if result.is_main_result), None)

    def take(self, line: str) -> None:
        """Reads one line of the stream."""
        message: dict[str, Any] = json.loads(line)
        kind = message.pop("type")
        if kind == "result":
            formats = {name: message.pop(name) for name in FORMATS if name in message}
            self.results.append(Result(formats, message.pop("extra", {}) or {}, message.pop("is_main_result", False)))
        elif kind in ("stdout", "stderr"):
            (self.stdout if kind == "stdout" else self.stderr).append(message["text"])
            assert message["timestamp"]
        elif kind == "error":
            self.error = (message["name"], message["value"], message["traceback"])
        elif kind == "number_of_executions":
            self.execution_count = message["execution_count"]
        elif kind == "end_of_execution":
            self.ended = True
        else:
            self.ignored.append({"type": kind, **message})


class Client:
    """Talks to one server over new connections."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Sends JSON and returns JSON."""
        connection = HTTPConnection(self.host, self.port, timeout=60)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        response = connection.getresponse()
        data = response.read()
        assert response.status == 200, (method, path, response.status, data)
        return json.loads(data)

    def run_code(self, code: str, **options: Any) -> Execution:
        """Runs a cell with the body those clients send, nulls included."""
        body = {"code": code, "context_id": None, "language": None, "env_vars": None, **options}
        execution = Execution()
        connection = HTTPConnection(self.host, self.port, timeout=60)
        connection.request("POST", "/execute", json.dumps(body), {"Content-Type": "application/json", "Accept": "*/*"})
        response = connection.getresponse()
        assert response.status == 200, (response.status, response.read())
        for line in lines(iter(lambda: response.read1(4096), b"")):
            execution.take(line)
        assert execution.ended, execution
        return execution


def lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Lines of a text that arrives in pieces, with every line end `str.splitlines` knows."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest = ""
    for piece in pieces:
        found = (rest + decoder.decode(piece)).splitlines(keepends=True)
        rest = found.pop() if found and not found[-1].endswith(("\n", "\r", "\u2028")) else ""
        yield from (line for line in (line.strip("\r\n") for line in found) if line)
    assert not rest, rest


def use(client: Client) -> None:
    """The steps of a session: a context, cells of every kind, a restart, the end."""
    context = client.request("POST", "/contexts", {"language": "python", "cwd": "/home/user"})
    assert context["language"] == "python" and context["cwd"] == "/home/user", context
    here = {"context_id": context["id"]}

    cell = client.run_code("x = 41\nprint('hello')\nx + 1", **here)
    assert (cell.text, "".join(cell.stdout), cell.stderr, cell.error, cell.execution_count) == ("42", "hello\n", [], None, 1), cell
    assert cell.ignored == [], cell
    cell = client.run_code("import os, sys\nprint(os.environ['KEY'], file=sys.stderr)\n'text'", env_vars={"KEY": "value"}, **here)
    assert "".join(cell.stderr) == "value\n" and cell.text == "text", cell
    cell = client.run_code("1/0", **here)
    assert cell.error is not None and cell.error[:2] == ("ZeroDivisionError", "division by zero"), cell
    assert "ZeroDivisionError" in cell.error[2], cell
    separators = "".join(map(chr, (10, 11, 12, 13, 28, 29, 30, 0x85, 0x2028, 0x2029)))
    cell = client.run_code(f"print({separators!r} * 2000, end='')\n'\u20ac' * 20000", **here)
    assert cell.error is None, cell.error
    assert "".join(cell.stdout) == separators * 2000, "output with every kind of line end"
    assert cell.text == "\u20ac" * 20000, "a long result"
    charts(client, here)

    listed = client.request("GET", "/contexts")
    assert context in listed, listed
    assert client.request("POST", f"/contexts/{context['id']}/restart") is None
    cell = client.run_code("'x' in globals()", **here)
    assert cell.text == "False" and cell.execution_count == 1, cell
    assert client.request("DELETE", f"/contexts/{context['id']}") is None
    assert client.run_code("6 * 7", language="python").text == "42"
    assert client.run_code("6 * 7").text == "42"


def charts(client: Client, here: dict[str, str]) -> None:
    """Tables and figures, taken apart as those clients do."""
    cell = client.run_code("import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})", **here)
    (table,) = cell.results
    assert table.formats["data"] == {"a": [1, 2], "b": ["x", "y"]} and "<table" in table.formats["html"], table
    cell = client.run_code(
        "import matplotlib.pyplot as plt\nplt.scatter([1, 2], [3, 4], label='s')\nplt.title('Title')\nplt.show()", **here
    )
    (figure,) = cell.results
    assert base64.b64decode(figure.formats["png"]).startswith(b"\x89PNG"), figure
    chart = figure.formats["chart"]
    assert chart["type"] == "scatter" and chart["title"] == "Title" and not figure.is_main_result, figure
    for name in ("x_label", "y_label", "x_unit", "y_unit", "x_ticks", "x_tick_labels", "x_scale", "y_scale", "elements"):
        assert name in chart, (name, chart)
    assert [tuple(point) for point in chart["elements"][0]["points"]] == [(1, 3), (2, 4)], chart
    cell = client.run_code("plt.bar(['p', 'q'], [1, 2])\nplt.show()\nplt.pie([1, 3], labels=['r', 's'])\nplt.show()", **here)
    kinds = [result.formats["chart"]["type"] for result in cell.results]
    assert kinds == ["bar", "pie"], kinds
    assert [bar["label"] for bar in cell.results[0].formats["chart"]["elements"]] == ["p", "q"], cell


if __name__ == "__main__":
    use(Client(sys.argv[1]))
    print("ok")
