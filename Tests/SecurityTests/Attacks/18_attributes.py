# 18: extended attributes and access control lists use up nothing of the host
# include: walls
# timeout: 30000
# expect: reason=exit|memory exit=0|137
stored = 0
for number in range(2000):
    open(f"/tmp/{number}", "w")
    for name in range(50):
        try:
            os.setxattr(f"/tmp/{number}", f"user.{name}", bytes(60_000))
            stored += 60_000
        except OSError:
            break
    else:
        continue
    break
print("attributes stored:", stored)
if stored > 300 << 20:
    breach(f"{stored} bytes in attributes")
held()
