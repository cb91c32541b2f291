"""Environment variables for one execution, in kernels that offer no other way than running code.

Neither names nor values become part of that code: it reads them from a file without a name, which only processes of
this context can open, and writes what was there before into another.
"""

from __future__ import annotations

import json
import os
import re
import shlex

import jupyter_kernel

#: A bash kernel knows by its prompt when a command ended.
_PROMPTS = frozenset({"PS1", "PS2", "PROMPT_COMMAND"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_JAVASCRIPT = """(() => {{
  const before = [];
  for (const [name, value] of JSON.parse(Deno.readTextFileSync("{wanted}"))) {{
    before.push([name, Deno.env.get(name) ?? null]);
    if (value === null) Deno.env.delete(name); else Deno.env.set(name, value);
  }}
  Deno.writeTextFileSync("{before}", JSON.stringify(before));
}})()"""

_R = """local({{
  wanted <- jsonlite::fromJSON(file("{wanted}"), simplifyVector = FALSE)
  before <- lapply(wanted, function(pair) list(pair[[1]], Sys.getenv(pair[[1]], unset = NA)))
  for (pair in wanted) {{
    if (is.null(pair[[2]])) Sys.unsetenv(pair[[1]])
    else do.call(Sys.setenv, stats::setNames(list(pair[[2]]), pair[[1]]))
  }}
  writeLines(jsonlite::toJSON(before, auto_unbox = TRUE, na = "null"), "{before}")
}})"""

# The command itself stays out of the shell's history, if it came there.
_BASH = """case $(builtin history 1) in *{wanted}*) builtin history -d -1 ;; esac
{{ builtin declare -p -- {names} || : ; }} >{before} 2>/dev/null
{assignments}"""


class Variables:
    """Sets variables before an execution and puts back afterwards what was there."""

    def __init__(self, language: str) -> None:
        """Prepare for a kernel of that language."""
        self._language = language
        self._files: tuple[int, int] | None = None
        self._names: list[str] = []

    @property
    def are_supported(self) -> bool:
        """Whether this language has a way."""
        return self._language in ("bash", "javascript", "typescript", "r")

    def setting(self, environment: dict[str, str]) -> str:
        """Return the code that sets these variables. Raises `ValueError` for a name that cannot be set."""
        wanted, before = self._paths()
        if self._language != "bash":
            self._write(0, json.dumps(list(environment.items())))
            return self._template().format(wanted=wanted, before=before)
        for name in environment:
            if not _IDENTIFIER.fullmatch(name):
                raise ValueError(f"bash has no variables of such a name: {name!r}")
        self._names = [name for name in environment if name not in _PROMPTS]
        # Not as an assignment: a read-only variable is then no reason to leave the script.
        exports = "\n".join(f"builtin export {name}={shlex.quote(environment[name])}" for name in self._names)
        names = " ".join(self._names)
        self._write(0, _BASH.format(wanted=wanted, before=before, names=names, assignments=exports) + "\n")
        return f"builtin . {wanted}"

    def restoring(self) -> str:
        """Return the code that undoes the last `setting`."""
        wanted, before = self._paths()
        if self._language != "bash":
            return self._template().format(wanted=before, before=wanted)
        history = f"case $(builtin history 1) in *{wanted}*) builtin history -d -1 ;; esac"
        self._write(0, f"{history}\nbuiltin unset -v -- {' '.join(self._names)} 2>/dev/null\nbuiltin . {before}\n")
        return f"builtin . {wanted}"

    def _template(self) -> str:
        return _R if self._language == "r" else _JAVASCRIPT

    def _paths(self) -> tuple[str, str]:
        if self._files is None:
            self._files = jupyter_kernel.nameless_file(), jupyter_kernel.nameless_file()
        process = os.getpid()
        return f"/proc/{process}/fd/{self._files[0]}", f"/proc/{process}/fd/{self._files[1]}"

    def _write(self, index: int, text: str) -> None:
        assert self._files is not None
        data = text.encode("utf-8", "surrogateescape")
        os.ftruncate(self._files[index], 0)
        written = 0
        while written < len(data):
            written += os.pwrite(self._files[index], data[written:], written)
