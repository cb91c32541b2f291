# 38: a cell that speaks on the server's own channel harms only its own stream
# timeout: 1500
# expect: cell
import itertools
import json
import os
import time

TYPES = [
    "done", "started", "ready", "reply", "result", "display", "error", "output", "stdout", "idle", "busy", "status", "flush",
    "ended", "failed", "execute_reply", "execute_input", "stream", "number_of_executions", "end_of_execution", "ending",
]
FIELDS = {
    "exit_code": 0, "execution_count": 999, "count": 999, "text": "FORGED", "data": {"text/plain": "FORGED"}, "name": "FORGED",
    "value": "FORGED", "traceback": "FORGED", "status": "ok", "context": "default", "context_id": "default", "step": 0, "errno": 1,
}
for kind, number in itertools.product(TYPES, [0, 1, 2, 3, 2**63, -1, "1", None, "default"]):
    frame = json.dumps({"type": kind, "id": number, "execution": number, "request": number, **FIELDS}).encode()
    try:
        os.write(900, len(frame).to_bytes(4, "little") + frame)
    except OSError as error:
        print(error)
        break
print("still running", flush=True)
time.sleep(30)
