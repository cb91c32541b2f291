# 39: frames that come while nobody runs a cell are nobody's
# timeout: 3000
# expect: cell
import json
import os
import threading
import time


def speak():
    while True:
        for kind in ("started", "done", "result", "display", "error"):
            for number in range(6):
                frame = json.dumps(
                    {"type": kind, "id": number, "execution_count": 7, "data": {"text/plain": "FORGED"}, "status": "ok"}
                ).encode()
                os.write(900, len(frame).to_bytes(4, "little") + frame)
        time.sleep(0.01)


threading.Thread(target=speak, daemon=True).start()
