# 39: a program that closes every descriptor still ends like any other
# include: walls
# timeout: 20000
# expect: reason=exit|signal|timeout
print("before", flush=True)
os.closerange(0, 2000)
time.sleep(0.2)
os._exit(3)
