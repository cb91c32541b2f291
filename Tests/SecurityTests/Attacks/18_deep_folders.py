# 18: ten thousand folders inside each other and names of full length hold nobody up
# include: walls
# timeout: 40000
# expect: reason=exit exit=0 last=held files<=300
open("top", "w").write("x")
depth = 0
try:
    for depth in range(10_000):
        os.mkdir("d")
        os.chdir("d")
        if depth % 500 == 0:
            open("file", "w").write("x")
except OSError as error:
    print(depth, errno.errorcode[error.errno])
os.chdir("/workspace")
for number in range(60):
    try:
        open(f"{number:03}" + "n" * 252, "w").write("x")
        open(f"{number:03}" + "\u00e9" * 126, "w").write("x")
    except OSError:
        pass
held()
