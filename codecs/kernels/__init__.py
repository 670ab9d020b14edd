"""How numba kernels are compiled, kept between processes, and compiled by one process at a time."""
