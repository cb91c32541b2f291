# 50: what must be random differs from run to run, and the clocks are sane
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
#
# The test runs this three times and compares the lines that begin with "random".
import hashlib
import random
import secrets
import ssl
import tempfile
import uuid

import numpy

values = {
    "random": random.random(),
    "Random": random.Random().random(),
    "SystemRandom": random.SystemRandom().random(),
    "numpy": numpy.random.random(),
    "RandomState": numpy.random.RandomState().random(),
    "default_rng": numpy.random.default_rng().random(),
    "uuid1": uuid.uuid1(),
    "uuid4": uuid.uuid4(),
    "secrets": secrets.token_hex(8),
    "urandom": os.urandom(8).hex(),
    "openssl": ssl.RAND_bytes(8).hex(),
    "tempfile": tempfile.mktemp(),
    "getrandom": os.getrandom(8).hex(),
}
if os.environ.get("PYTHONHASHSEED") not in (None, "random", ""):
    print("hash seed is fixed")
for name, value in values.items():
    print("random", name, value)
reading = [time.monotonic() for _ in range(1000)]
if reading != sorted(reading):
    breach("the monotonic clock goes back")
if not 1_600_000_000 < time.time() < 4_000_000_000 or time.process_time() > 20:
    breach(f"clocks {time.time()} {time.process_time()}")
held()
