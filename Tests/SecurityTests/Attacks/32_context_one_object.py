# 32: one result of a hundred megabytes is refused or told, and never kept
# timeout: 20000
# expect: cell
"x" * 100_000_000
