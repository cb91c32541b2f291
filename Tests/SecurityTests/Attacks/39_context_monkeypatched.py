# 39: a cell that replaces what it finds around it fools only itself
# timeout: 2000
# expect: cell
import builtins
import gc
import json
import os
import sys

import IPython

shell = get_ipython()  # noqa: F821
shell.run_cell = shell.run_cell_async = shell.displayhook = shell.display_pub.publish = lambda *_, **__: None
IPython.display.display = lambda *_, **__: None
sys.exit = os._exit = os.write = os.read = os.close = lambda *_: None
json.dumps = json.loads = json.JSONEncoder.encode = lambda *_, **__: '{"type":"done"}\n{"type":"end_of_execution"}\n'
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
sys.excepthook = sys.unraisablehook = lambda *_: None
builtins.print = builtins.compile = builtins.exec = builtins.eval = builtins.len = builtins.isinstance = lambda *_: None
for module in [*sys.modules.values()]:
    for name in ("serve", "send", "send_frame", "receive", "run", "execute", "reply"):
        if hasattr(module, name):
            setattr(module, name, lambda *_, **__: None)
for found in gc.get_objects():
    if type(found).__name__ == "socket":
        found.detach()
sys.modules.clear()
raise RuntimeError("end")
