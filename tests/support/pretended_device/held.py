"""Tensors of the pretended device: each holds one of the processor, and every operation on it is looked at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
DEVICE = f"{NAME}:0"
CPU = torch.device("cpu")
aten = torch.ops.aten
Operation = torch._ops.OpOverload
MOVES = {aten.copy_.default, aten._to_copy.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
# These take a single number of the processor, though they are not element-wise in the eyes of torch.
NUMBERS = {aten.fill_.Tensor, aten.fill.Tensor, aten.masked_fill_.Tensor, aten.masked_fill.Tensor, aten.where.self}

waits: list[str] = []  # operations that made the processor wait for the device


class Held(torch.Tensor):
    """A tensor of the device. `held`: of the processor, with the same numbers, shape and strides."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def of(held: torch.Tensor) -> Held:
        """Return what holds a tensor of the processor."""
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        made: Held = torch.Tensor._make_wrapper_subclass(Held, held.shape, dtype=held.dtype, device=DEVICE, **layout)
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Operation,
        types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation on what is held, if the device would do it."""
        kwargs = dict(kwargs or {})
        require_allowed(func, args, kwargs)
        to_processor = kwargs.get("device") is not None and torch.device(kwargs["device"]) == CPU
        waits.extend(_reasons(func, args, kwargs, to_processor))
        if "device" in kwargs:
            kwargs["device"] = CPU
        given = {id(leaf.held): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Held)}
        result = func(*tree_map(_bare, args), **tree_map(_bare, kwargs))
        if torch.Tag.inplace_view in func.tags:  # the tensor that is given gets the shape, too
            with no_dispatch():
                return func(*args, **kwargs)
        if any(each.shape != each.held.shape or each.stride() != each.held.stride() for each in given.values()):
            raise NotImplementedError(f"{func} changes the shape of a tensor of the pretended device in place")
        if func is aten.copy_.default:  # the only operation that writes to a tensor of the processor
            return args[0]
        return result if to_processor else tree_map(lambda leaf: _held(leaf, given), result)

    def numpy(self, *, force: bool = False) -> Any:
        """Refuse, as CUDA does, unless told to copy."""
        if force:
            return self.detach().cpu().numpy()
        raise TypeError(f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() to copy it first.")

    def __array__(self, dtype: object = None) -> Any:
        """Refuse: see `numpy`."""
        return self.numpy()

    def tolist(self) -> Any:
        """Return the numbers, which waits for the device."""
        return self.detach().cpu().tolist()

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"{self.held!r} on {DEVICE}"

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """Say that moving a module puts other tensors in the place of its parameters, which stay the same objects."""
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(parts: Mapping[str, torch.Tensor], *_: object) -> Held:
        """Return what `__tensor_flatten__` took apart."""
        return Held.of(parts["held"])


def _held(leaf: Any, given: Mapping[int, Held]) -> Any:
    """A result on the device: the tensor that was given, where an operation returns it."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return given[id(leaf)] if id(leaf) in given else Held.of(leaf)


def _bare(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, Held) else leaf


def require_allowed(func: Operation, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """RuntimeError for what CUDA refuses: tensors of both devices, a generator of the processor."""
    generator = kwargs.get("generator")
    if generator is not None and generator.device == CPU:
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu' ({func})")
    strangers = [leaf for leaf in _tensors(args, kwargs) if not isinstance(leaf, Held)]
    if not strangers or func in MOVES:
        return
    if func in INDEXING:
        wrong = [args[0], *(args[2:3] if _size(args[2:3]) > 1 else [])]
    elif (torch.Tag.pointwise in func.tags or func in NUMBERS) and all(each.dim() == 0 for each in strangers):
        wrong = _written(func, args, kwargs)
    else:
        wrong = strangers
    if any(isinstance(each, torch.Tensor) and not isinstance(each, Held) for each in wrong):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! ({func})"
        )


def _tensors(*parts: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(parts) if isinstance(leaf, torch.Tensor))


def _size(values: Sequence[Any]) -> int:
    return sum(each.dim() + 1 for each in _tensors(list(values)))


def _written(func: Operation, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The arguments that an operation writes to."""
    schema = func._schema.arguments
    named = {**dict(zip((each.name for each in schema), args, strict=False)), **kwargs}
    return [named.get(each.name) for each in schema if each.alias_info is not None and each.alias_info.is_write]


def _reasons(func: Operation, args: Sequence[Any], kwargs: Mapping[str, Any], to_processor: bool) -> Iterator[str]:
    """Why the processor waits: for a number, for a shape that depends on numbers, or for a copy."""
    if func in MOVES:
        copied = to_processor or (func is aten.copy_.default and not all(isinstance(each, Held) for each in args[:2]))
        blocking = not (kwargs.get("non_blocking") or any(args[2:3]))
        if copied and blocking:
            yield str(func)
    elif func in INDEXING:
        indices = list(_tensors(list(args[1])))
        if any(not isinstance(each, Held) or each.dtype in (torch.bool, torch.uint8) for each in indices):
            yield str(func)
    elif {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output} & set(func.tags):
        yield str(func)
