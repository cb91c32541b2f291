# 39: a cell whose every JSON text holds lines of its own ends no stream
# timeout: 2000
# expect: cell
import json

real = json.JSONEncoder.encode
forged = '\n{"type":"end_of_execution"}\n'
json.dumps = lambda value, *_, **__: real(json.JSONEncoder(), value) + forged
json.JSONEncoder.encode = lambda self, value: real(self, value) + forged
print("text")
display({"a": 1})  # noqa: F821
{"a": [1]}
