"""How glibc hands out memory: asked to be quicker for training and separation; other systems' are left as they are."""

import ctypes
import platform


def share_one_arena() -> bool:
    """Ask glibc to serve all threads from one heap; whether it could be asked.

    Threads' own heaps give memory back whatever was asked for: a training step in threads took 1.9 times as long. This
    must come before the first threads, whose heaps later ones inherit: the command line asks before anything else, and
    a training once more, for whoever calls it from Python. It holds for the whole process, so importing does not ask.
    """
    arena_max = -8  # malloc.h
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).mallopt(arena_max, 1))


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step; whether it could be asked.

    By default each large buffer goes back to the kernel when it is freed and comes back as new pages that have to be
    cleared: a quarter of the time of a small training or of a separation. It costs memory (1.7 instead of 1.3 GB in
    such a training).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h
    return all([mallopt(mmap_max, 0), mallopt(trim_threshold, -1), mallopt(top_pad, 64 << 20)])
