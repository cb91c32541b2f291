# 32: results that are deep, endless or lie about themselves are only results
# timeout: 4000
# expect: cell
nested = []
for _ in range(3000):
    nested = [nested]


class Liar(dict):
    def items(self):
        while True:
            yield ("a", 1)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": 5, "image/png": object(), "application/json": nested, 7: 8, "text/html": "\ud800\n"}, None


display(Liar(), nested, {"application/json": nested}, raw=False)  # noqa: F821
display({"text/plain": ["list"], "application/json": {"k": float("nan")}, "": "", "x" * 100_000: 1}, raw=True)  # noqa: F821
Liar()
