# 42: one operation in C that no signal interrupts is ended by the clock
# timeout: 2000
# expect: reason=timeout|cpu|memory exit=null|137
3 ** (10**9)
