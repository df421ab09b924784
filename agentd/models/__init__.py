"""Models: the protocol they share, Claude and other Messages endpoints, and the embedded one."""
