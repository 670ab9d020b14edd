"""The pretended device in the eyes of torch: a backend of the key PrivateUse1, written in Python.

torch tests its own interface for that so (test/test_privateuseone_python_backend.py). What is registered stays for the
rest of the process; nothing but this folder makes tensors there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils import backend_registration

from tests.support.pretended_device.held import CPU, DEVICE, NAME, Held, aten, require_allowed, waits

__all__ = ["DEVICE", "pretended_device"]

# What makes tensors of nothing. torch makes others (`zeros_like`, `tensor(..., device=)`) of these.
_FACTORIES = (
    *("empty", "empty_strided", "zeros", "ones", "full", "arange", "eye", "linspace", "logspace", "scalar_tensor"),
    *("rand", "randn", "randint", "randperm", "tril_indices", "triu_indices"),
)


@contextmanager
def pretended_device() -> Iterator[list[str]]:
    """Let DEVICE exist; return a context with the operations for which the processor waited, for tests to look at.

    Gradients are computed by the thread that asks for them: torch counts devices once, maybe before there was this one.
    """
    _register()
    waits.clear()
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # parameters stay the same objects
    try:
        with torch.autograd.set_multithreading_enabled(False):
            yield waits
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapped)


class _Module(backend_registration._DummyBackendModule):
    """`torch.pretended`. Seeds are those of the processor's generator, from which all random numbers come."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """Return the types of autocast, which changes nothing here."""
        return [torch.bfloat16, torch.float16]


@cache
def _register() -> tuple[torch.library.Library, ...]:
    """Make the device known to torch, once; return what is registered as long as it lives."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, _Module())
    library = torch.library.Library("aten", "IMPL", "PrivateUse1")
    for name in _FACTORIES:
        packet = getattr(aten, name)
        for overload in map(packet.__getattr__, packet.overloads()):
            if "device" in {argument.name for argument in overload._schema.arguments}:
                library.impl(overload, _factory(overload), allow_override=True)
    library.impl("_copy_from", _copy_from)
    fallbacks = torch.library.Library("_", "IMPL")
    fallbacks.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    return library, fallbacks


def _copy_from(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    """What `torch.tensor(numbers, device=)` copies by, where no class of tensors is asked."""
    copied: torch.Tensor = Held.__torch_dispatch__(aten.copy_.default, (), (target, source, non_blocking))
    return copied


def _factory(func: torch._ops.OpOverload) -> Callable[..., Held]:
    def make(*args: Any, **kwargs: Any) -> Held:
        require_allowed(func, args, kwargs)
        return Held.of(func(*args, **{**kwargs, "device": CPU}))

    return make
