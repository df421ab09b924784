"""Pure functions and values: no I/O, no clock, no event loop. Tested as such."""
