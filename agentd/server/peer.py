"""Who is at the other end of a Unix socket, by the kernel's word."""

import socket as sockets
import struct
import sys


def peer_uid(connected: sockets.socket) -> int | None:
    """The user who connected."""
    if sys.platform == "darwin":
        # struct xucred of getsockopt(SOL_LOCAL, LOCAL_PEERCRED): version, uid, groups.
        return int(struct.unpack_from("=II", connected.getsockopt(0, 1, 76))[1])
    credentials = connected.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
    return int(struct.unpack("=iII", credentials)[1])
