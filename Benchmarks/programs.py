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
