# 21: the clock and the names of the machine cannot be changed
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
attempt("clock_settime", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time() + 3600))
now = (ctypes.c_long * 2)(int(time.time()) + 3600, 0)
expect_blocked("settimeofday", call_in_child(164, ctypes.addressof(now), 0))
timex = ctypes.create_string_buffer(bytes([1, 0, 0, 0]) + bytes(204))
expect_blocked("adjtimex", call_in_child(159, ctypes.addressof(timex)))
expect_blocked("clock_adjtime", call_in_child(305, 0, ctypes.addressof(timex)))
name = ctypes.create_string_buffer(b"owned")
expect_blocked("sethostname", call_in_child(170, ctypes.addressof(name), 5))
expect_blocked("setdomainname", call_in_child(171, ctypes.addressof(name), 5))
if socket.gethostname() == "owned":
    breach("hostname")
held()
