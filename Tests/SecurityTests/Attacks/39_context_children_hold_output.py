# 39: a child that keeps the output open and writes on does not keep the stream from its end
# timeout: 3000
# expect: cell
import subprocess

subprocess.Popen(["sh", "-c", "while :; do echo child; sleep 0.05; done"], start_new_session=True)
print("started")
