"""The command line: an ordinary client of the daemon's socket. Imported by command, so that each starts light."""
