"""The daemon's edge: frames, connections, handlers, life and death of the process."""
