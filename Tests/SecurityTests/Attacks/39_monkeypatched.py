# 39: a program that replaces what it finds around it fools only itself
# include: walls
# timeout: 20000
# expect: reason=exit|signal|timeout
import builtins
import gc
import json as module

sys.exit = os._exit = os.write = os.read = os.close = lambda *_: None
module.dumps = module.loads = lambda *_, **__: {"type": "done", "exit_code": 0}
sys.stdout = sys.stderr = None
sys.excepthook = sys.unraisablehook = lambda *_: None
builtins.print = builtins.compile = builtins.exec = lambda *_: None
for module in list(sys.modules.values()):
    for name in ("serve", "send", "send_frame", "receive", "run"):
        if name in vars(module):
            setattr(module, name, lambda *_, **__: None)
for found in gc.get_objects():
    if type(found).__name__ == "socket":
        found.detach()
sys.modules.clear()
raise RuntimeError("end")
