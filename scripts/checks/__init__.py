"""The checks of `make check`, one subject a file."""
