"""What keeps an installation ready: kernels, and what it holds."""
