"""What the benchmarks of commands share: the memory of a process."""

from pathlib import Path


def resident_mib(process: int, fact: str = "VmRSS") -> float:
    """MiB that a process has resident, or the most it had (VmHWM); 0 where it is gone."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(fact):
            return int(line.split()[1]) / 1024
    return 0.0
