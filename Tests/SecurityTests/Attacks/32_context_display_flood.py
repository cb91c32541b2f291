# 32: endless pictures are stopped by the clock
# timeout: 600
# expect: cell
while True:
    display({"image/png": "A" * 100_000}, raw=True)  # noqa: F821
