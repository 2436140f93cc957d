import ctypes
import platform
import subprocess
import sys

import pytest

from unibind import freed_memory

HOLES = """
import ctypes
from unibind.freed_memory import give_back

def resident_kib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
large, small = [], []
for _ in range(1000):  # 64 MB between blocks that stay
    large.append(libc.malloc(64_000))
    small.append(libc.malloc(64))
    ctypes.memset(large[-1], 1, 64_000)
for block in large:
    libc.free(block)
before = resident_kib()
give_back()
print(before - resident_kib())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back when it is asked to")
def test_memory_between_blocks_in_use_goes_back_to_the_system():
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40_000  # KiB


def test_other_c_libraries_keep_their_memory(monkeypatch):
    freed_memory._trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    freed_memory.give_back()
    freed_memory._trim.cache_clear()
