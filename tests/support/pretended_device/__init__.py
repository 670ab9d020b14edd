"""A device that this machine pretends to have, so that code for GPUs is tested without one.

    from tests.support.pretended_device import DEVICE, pretended_device

    with pretended_device() as waits:
        codec = load_codec("block-dnn", folder, DEVICE)     # DEVICE is "pretended:0"
        ...
        assert waits == []                                  # operations that made the processor wait for the device

Tensors on it compute as they would on the processor, with the same results and the same random numbers. Mistakes are
those of CUDA: tensors of the device beside tensors of the processor, `numpy()` without `cpu()`, a generator of the
processor. Beside tensors of the device, single numbers (0-dim) of the processor may stand in element-wise operations,
and indices of the processor may index them, as CUDA allows.

A module keeps its parameters when it moves, as it does between processor and CUDA, so that optimisers go on.
"""

from tests.support.pretended_device.backend import DEVICE, pretended_device

__all__ = ["DEVICE", "pretended_device"]
