"""What the compiler made of kernels, and what in it could give other results on another machine."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import tilepress.codecs

# Flags that let a compiler reorder, contract or approximate float operations.
LOOSE = re.compile(r"= (?:\w+ )*?(f\w+|call|select|phi)(?: \w+)*? (fast|reassoc|contract|arcp|afn)\b")
FLOAT_CALL = re.compile(r"\bcall\b[^@\n]*@\"?([\w.$]+)\"?\(([^\n]*)")
FLOAT = re.compile(r"\b(?:double|float|half)\b")
# Operations that IEEE 754 rounds exactly, moves of data, results handed to Python, and kernels, looked at too.
# numba takes a logarithm to write numbers into messages, such as that a slice does not fit; see `names`.
EXACT = re.compile(
    r"(llvm\.(fabs|sqrt|floor|ceil|trunc|rint|nearbyint|copysign|log10|vector\.reduce\.fadd|masked\.\w+|fpto[su]i\.sat)\b"
    r"|sqrtf?$|floorf?$|ceilf?$|truncf?$|PyFloat_|Py_BuildValue|numba_|NRT_|_ZN(?!5numba))"
)
FUSED = re.compile(r"\b(v?fn?m(?:add|sub|addsub|subadd)\w*|fml[as])\b")


def objections(ir: str, assembly: str) -> list[str]:
    """Why a compiled function may compute other floats elsewhere; empty for + - * / and comparisons in order."""
    found = [f"flag {match[2]} in: {line.strip()}" for line in ir.splitlines() if (match := LOOSE.search(line))]
    found += [f"remainder: {line.strip()}" for line in ir.splitlines() if re.search(r"= frem\b", line)]
    for line in ir.splitlines():
        call = FLOAT_CALL.search(line)
        if call and FLOAT.search(line) and not EXACT.match(call[1]):
            found.append(f"call of {call[1]}")
    return found + [f"fused operation {name}" for name in sorted(set(FUSED.findall(assembly)))]


def has_floats(ir: str) -> bool:
    """Whether anything is computed in floats."""
    return bool(re.search(r"= f(add|sub|mul|div|rem|neg|cmp)\b", ir))


def kernels() -> dict[str, Any]:
    """Every dispatcher in every module of tilepress.codecs, by module and name."""
    from numba.core.dispatcher import Dispatcher

    found = {}
    for module in pkgutil.walk_packages(tilepress.codecs.__path__, "tilepress.codecs."):
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == loaded.__name__:
                found[f"{module.name.removeprefix('tilepress.codecs.')}.{name}"] = value
    return found


def names(dispatcher: Any) -> set[str]:
    """Every global name and attribute in the source of a kernel."""
    return set(dispatcher.py_func.__code__.co_names)


def compiled() -> Iterator[tuple[str, str, str]]:
    """(name and types, LLVM IR, assembly) of every kernel that this process compiled itself."""
    for name, dispatcher in kernels().items():
        for signature, result in dispatcher.overloads.items():
            yield f"{name}{signature}", result.library.get_llvm_str(), result.library.get_asm_str()
