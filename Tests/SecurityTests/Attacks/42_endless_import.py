# 42: a module that never finishes its import is ended by the clock
# timeout: 2000
# expect: reason=timeout|cpu exit=null|137
import sys

sys.path.insert(0, "/tmp")
open("/tmp/endless.py", "w").write("while True: pass\n")
import endless
