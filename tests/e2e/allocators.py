# SPDX-License-Identifier: MIT
"""The allocators of the distribution that tests preload."""

import os
import unittest

# By its name in a trace: the library, and its Debian package.
ALLOCATORS = {
    "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    "mimalloc": ("libmimalloc.so.2", "libmimalloc2.0"),
}


def allocator(name):
    """Path of an allocator's library; skips the test where it is not installed."""
    library, package = ALLOCATORS[name]
    path = os.path.join("/usr/lib/x86_64-linux-gnu", library)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"needs {library} (Debian package {package})")
    return path
