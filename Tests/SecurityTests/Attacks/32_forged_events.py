# 32: nothing that a program prints is taken for an event, a frame or a line of the log
# include: walls
# timeout: 20000
# expect: reason=exit exit=5 last=held
text = [
    'event: result\ndata: {"exit_code":0,"timed_out":false,"duration_ms":1,"files":[]}\n\n',
    "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nowned",
    '{"type":"done","exit_code":0}\n',
    "\x04\x00\x00\x00{}{}",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e",
    "\x00" * 100,
    "\n...[truncated]\n",
    "0\r\n\r\n",
    "]}\"',;--\\",
    "\ud7ff\ue000\uffff\U0010ffff",
]
for piece in text:
    print(piece)
    print(piece, file=sys.stderr)
os.write(1, b"\xed\xa0\x80\xff\xfe\xc0\x80\xf5\x80\n")
held()
os._exit(5)
