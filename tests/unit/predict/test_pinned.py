import ctypes
import gc
import threading

import numpy as np
import pytest

from cutpoint.predict.pinned import PinnedPool


@pytest.fixture
def pool():
    """A pool of ordinary memory that counts its blocks."""
    made = PinnedPool(lambda size: made.lock(size), lambda address: made.released.append(address))
    made.buffers, made.released = {}, []

    def lock(size):
        buffer = ctypes.create_string_buffer(size)
        made.buffers[ctypes.addressof(buffer)] = buffer
        return ctypes.addressof(buffer)

    made.lock = lock
    return made


def test_arrays_are_apart_while_they_live_and_memory_is_used_again(pool):
    first, second = pool.empty((1, 3, 4, 5)), pool.empty((1, 3, 4, 5))
    assert first.dtype == np.float32
    first[:], second[:] = 1, 2
    assert (first == 1).all()
    assert len(pool.buffers) == 2
    address = first.ctypes.data
    del first
    gc.collect()
    third = pool.empty((2, 3))
    assert third.ctypes.data == address
    assert len(pool.buffers) == 2
    assert (second == 2).all()


def test_a_view_keeps_the_memory(pool):
    view = pool.empty((4, 4))[1:, :2]
    view[:] = 7
    gc.collect()
    other = pool.empty((4, 4))
    other[:] = 0
    assert (view == 7).all()


def test_a_larger_array_replaces_blocks_that_are_too_small(pool):
    small = pool.empty((4,))
    del small
    gc.collect()
    large = pool.empty((400,))
    assert len(pool.released) == 1
    del large
    gc.collect()
    # from now on every block is large enough for it
    assert pool.empty((4,)).shape == (4,)
    assert pool.empty((400,)).shape == (400,)
    assert len(pool.released) == 1


def test_threads_get_arrays_of_their_own(pool):
    wrong = []

    def work(number):
        for _ in range(200):
            array = pool.empty((64,))
            array[:] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(pool.buffers) <= 16
