"""Memory of a process, for the benchmarks that start commands."""

from pathlib import Path


def resident_mib(process: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MiB, or its peak (VmHWM); 0 for a process that has ended."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0
