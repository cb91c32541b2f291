# 38: frames that are no UTF-8, or hold lone surrogates and zero bytes, stay inside of their own stream
# timeout: 3000
# expect: cell
import os
import time

for text in (b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xc0\x80", b"\xf5\x80\x80\x80", b"\0"):
    for kind in (b"result", b"display", b"error", b"output"):
        body = b'{"type":"%s","id":1,"data":{"text/plain":"%s"},"name":"%s","value":"%s","traceback":"%s"}' % (
            kind, text, text, text, text,
        )
        try:
            os.write(900, len(body).to_bytes(4, "little") + body)
        except OSError as error:
            print(error)
time.sleep(30)
