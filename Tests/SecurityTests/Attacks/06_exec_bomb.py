# 06: programs that replace themselves for ever are stopped
# timeout: 4000
# expect: reason=timeout|cpu|signal|exit|memory
import os

os.execv(
    "/bin/sh", ["sh", "-c", "b() { sh -c 'kill -0 $PPID' & exec sh -c \"$0\"; }; while :; do sh -c ': & : & :' & done"]
)
