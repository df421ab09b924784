"""What a process holds, as the kernel says it; and memory that the host of a virtual machine has to give first."""

from pathlib import Path
from typing import Literal


def held(pid: int, kind: Literal["Rss", "Pss"] = "Rss") -> float:
    """Megabytes of memory that the process has in use; ``Pss``: what it shares counts in part."""
    # Exact, unlike that of /proc/PID/status.
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory is told of process {pid}")


def forget_peak(pid: int) -> None:
    """``peak`` counts from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> float:
    """Megabytes: the most that was in use since ``forget_peak``."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no peak is told of process {pid}")


def warmed(megabytes: int) -> None:
    """Have so much memory ready in the machine. A host takes back what a virtual machine does not use within seconds,
    and gives it again at 10 µs a page: a bare copy of 2.5 MB took 6 ms of that here, and 0.6 ms without."""
    bytearray(megabytes << 20)
