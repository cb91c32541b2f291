# 39: a program that becomes another one ends as that one does
# timeout: 20000
# expect: reason=exit exit=7 last=held
import os

os.execv("/bin/sh", ["sh", "-c", "echo held; exit 7"])
