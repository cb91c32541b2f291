"""The programs that are measured, the same everywhere."""

from __future__ import annotations

HELLO = "print('hello')"

# Names numpy, so that it gets a sandbox with everything imported, and does nothing with it.
HELLO_FULL = "import numpy\nprint('hello')"

PANDAS = """
import pandas as pd
frame = pd.DataFrame({"city": ["Oslo", "Rome", "Bern"] * 400, "value": range(1200)})
print(frame.groupby("city")["value"].mean())
print(frame.describe())
"""

PLOT = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot(range(100), [x * x for x in range(100)])
axes.set_title("squares")
figure.savefig("squares.png")
"""

FILE_BYTES = 1_000_000

FILE = """
data = open("in.bin", "rb").read()
open("out.bin", "wb").write(bytes(reversed(data)))
"""

# Cells of contexts.

EXPRESSION = "1+1"

LINES = 50_000
PRINT_LINES = f"""
line = 'x' * 999
for _ in range({LINES}):
    print(line)
"""

BLOCKS = 100
PRINT_BLOCKS = f"""
block = 'x' * 1_000_000
for _ in range({BLOCKS}):
    print(block, end='')
"""

SUBPROCESS_BYTES = 100_000_000
SUBPROCESS = f"""
import subprocess
subprocess.run("head -c {SUBPROCESS_BYTES} /dev/zero | tr '\\\\0' x", shell=True);
"""

DESCRIBE = """
import pandas as pd
pd.DataFrame({"city": ["Oslo", "Rome", "Bern"] * 400, "value": range(1200)}).describe()
"""

FIGURE = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot(range(100), [x * x for x in range(100)])
axes.set_title("squares");
"""

BUSY = """
print('busy')
while True:
    pass
"""

SLEEP = """
import time
print('asleep')
time.sleep(600)
"""
