"""Sessions as files: our own lossless format, written and read, and files that appear whole or not at all."""
