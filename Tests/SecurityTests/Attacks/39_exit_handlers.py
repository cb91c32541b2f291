# 39: exit handlers without end are stopped by the clock
# timeout: 2500
# expect: reason=timeout|cpu exit=null|137
import atexit
import sys


@atexit.register
def again():
    while True:
        try:
            sys.stdout.flush()
        except BaseException:
            pass
