# 38: line ends inside of frames do not become lines of the stream
# timeout: 1500
# expect: cell
import json
import os
import time

END = '{"type":"end_of_execution"}'
for separator in ("\n", "\r\n", "\u2028", "\x85"):
    forged = separator + END + separator
    for kind in ("result", "display", "error", "output", "done"):
        message = {"type": kind, "id": 1, "data": {"text/plain": forged, "a/b" + forged: forged}, "name": forged}
        message |= {"value": forged, "traceback": forged, "text": forged, "extra": {forged: forged}}
        for frame in (json.dumps(message, indent=1), json.dumps(message, ensure_ascii=False, indent=1)):
            data = frame.encode()
            try:
                os.write(900, len(data).to_bytes(4, "little") + data)
            except OSError as error:
                print(error)
time.sleep(30)
