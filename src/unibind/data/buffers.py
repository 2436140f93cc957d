"""Sending arrays from a worker process to its parent through shared memory, without pickling them."""

from __future__ import annotations

import pickle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOM = 8 << 20  # bytes that a worker and its parent share; larger arrays go through the pipe, as plain bytes

Room = NDArray[np.uint8]


def send(connection: Connection, value: Any, room: Room) -> None:
    """Send a value; its arrays go through `room`, so the receiver must have taken the previous value out of it."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [np.frombuffer(buffer.raw(), np.uint8) if buffer.raw().nbytes else room[:0] for buffer in buffers]
    sizes = [len(part) for part in parts]
    shared = sum(sizes) <= len(room)
    if shared and parts:
        np.concatenate(parts, out=room[: sum(sizes)])
    connection.send((head, sizes, shared))
    for part in parts if not shared else ():
        connection.send_bytes(part.data)


def receive(connection: Connection, room: Room) -> Any:
    """The value that was sent, copied out of `room`; raises EOFError and OSError as the connection does."""
    head, sizes, shared = connection.recv()
    parts, start = [], 0
    for size in sizes:
        part = np.empty(size, np.uint8)
        if shared:
            part[:] = room[start : start + size]
            start += size
        else:
            connection.recv_bytes_into(part)
        parts.append(part)
    return pickle.loads(head, buffers=parts)
