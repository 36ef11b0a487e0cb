"""Page-locked host arrays. A GPU copies them without an intermediate buffer."""

import ctypes
import math
import weakref
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

# The libraries of CUDA 13 and 12; onnxruntime.preload_dlls() or torch has loaded one of them.
RUNTIMES = ("libcudart.so.13", "libcudart.so.12")


class PinnedPool:
    """Arrays from page-locked memory. Memory is used again when no array refers to it.

    Locking pages takes longer than a copy, so blocks are kept. All blocks have the size of the largest array
    so far. There are as many blocks as were in use at once.
    """

    def __init__(self, lock: Callable[[int], int], release: Callable[[int], None]) -> None:
        """``lock`` takes a number of bytes and returns an address, ``release`` takes that."""
        self._lock, self._release = lock, release
        self._free: deque[tuple[int, int]] = deque()
        self._size = 0

    def empty(self, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
        """An array as from ``numpy.empty``; several threads may call it."""
        count = math.prod(shape)
        needed = max(count * np.dtype(dtype).itemsize, 1)
        self._size = max(self._size, needed)
        block = self._block(needed)
        memory: Any = (ctypes.c_char * block[1]).from_address(block[0])
        # lives as long as the array and all its views
        weakref.finalize(memory, self._free.append, block).atexit = False
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def _block(self, needed: int) -> tuple[int, int]:
        while self._free:
            try:
                block = self._free.popleft()
            except IndexError:  # another thread was faster
                break
            if block[1] >= needed:
                return block
            self._release(block[0])
        return self._lock(self._size), self._size


@cache
def cuda_pool() -> PinnedPool:
    """The process's pool on CUDA.

    Raises:
        OSError: the CUDA runtime library is not loaded, or does not lock pages.
    """
    runtime = _load_runtime()

    def lock(size: int) -> int:
        address = ctypes.c_void_p()
        code = runtime.cudaHostAlloc(ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_uint(0))
        if code or address.value is None:
            raise OSError(f"cudaHostAlloc of {size} bytes: CUDA error {code}")
        return address.value

    pool = PinnedPool(lock, lambda address: runtime.cudaFreeHost(ctypes.c_void_p(address)))
    pool.empty((1,))
    return pool


def _load_runtime() -> ctypes.CDLL:
    for name in RUNTIMES:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            failure = error
    raise failure
