# 42: source that is hard to compile is the program's own trouble
# timeout: 20000
# expect: reason=exit|signal|memory|timeout|cpu
for source in (
    "(" * 100_000 + ")" * 100_000,
    "-" * 200_000 + "1",
    "[" * 5000,
    "a" + ".a" * 200_000,
    "lambda: " * 50_000 + "0",
    "x = " * 100_000 + "1",
    "f'{" * 300,
    "1+" * 100_000 + "1",
):
    try:
        compile(source, "deep", "exec")
    except (SyntaxError, MemoryError, RecursionError, ValueError) as error:
        print(type(error).__name__, flush=True)
