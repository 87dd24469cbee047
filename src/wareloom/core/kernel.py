"""Kernels that count no references."""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, nogil=True, _nrt=False)
"""Compile a function that is given tuples of arrays and allocates nothing.

Whenever a compiled function takes an array out of a tuple, it counts a reference up and down again, atomically; in
loops over users and events that took six sevenths of the time. A function that makes no array needs no count, and one
that makes one is refused when it is compiled. Buffers are given from without.
"""
