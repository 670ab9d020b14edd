"""numba's target of kernels: machine code for a level of processors (level.py), and none for parts.

A target of its own (numba's "target extension") beside numba's `cpu`, so that other users of numba in a process keep
what they have. It differs in three ways.

- Code is generated for the level, whichever processor compiles it. Floats stay as they are written: LLVM contracts,
  reorders and approximates only what is flagged so, and nothing is.
- A part is inlined wherever it is called (`forceinline`). It gets neither machine code nor the wrapper by which Python
  would call it. It is optimised as any function is, since some kernels would take a fifth longer otherwise.
- No kernel gets the wrapper by which C would call it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import llvmlite.binding as llvm
from numba import _dynfunc
from numba.core import config
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.environment import lookup_environment
from numba.core.registry import CPUDispatcher, CPUTarget
from numba.core.target_extension import CPU, dispatcher_registry, jit_registry, target_override, target_registry

from tilepress.codecs.kernels.level import kernel_level

_NAME = "tilepress"
_PART = "part"  # how numba names the kind of code that a file of the cache holds, beside its "object" and "bitcode"
_ENVIRONMENT = "_ZN08NumbaEnv"  # how numba begins the names of variables that hold environments of functions


class _Library(JITCodeLibrary):
    """The code of one function and of what it calls."""

    is_part = False

    def finalize_for(self, wrapper: str) -> None:
        """Finish the code: as a part, without machine code, if it lacks the wrapper by which Python would call it."""
        if not self._finalized:
            self.is_part = all(function.name != wrapper for function in self._final_module.functions)
            self.finalize()

    def _finalize_final_module(self) -> None:
        if not self.is_part:
            super()._finalize_final_module()
            return
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def environments(self) -> list[str]:
        """Return the names of the environments that the code refers to, of its parts too."""
        return [one.name for one in self._final_module.global_variables if one.name.startswith(_ENVIRONMENT)]

    def serialize_using_object_code(self) -> tuple[str, str, Any]:
        """Return what `_unserialize` takes."""
        if not self.is_part:
            found: tuple[str, str, Any] = super().serialize_using_object_code()
            return found
        return self.name, _PART, self._get_module_for_linking().as_bitcode()

    @classmethod
    def _unserialize(cls, codegen: Any, state: tuple[str, str, Any]) -> Any:
        name, kind, code = state
        if kind != _PART:
            return super()._unserialize(codegen, state)
        library = codegen.create_library(name)
        library.is_part = library._finalized = True
        library._final_module = library._shared_module = llvm.parse_bitcode(code)
        return library


class _Codegen(JITCPUCodegen):
    """LLVM, set to the level; both answers are part of the key of numba's cache."""

    _library_class = _Library

    def _get_host_cpu_name(self) -> str:
        return kernel_level().cpu

    def _get_host_cpu_features(self) -> str:
        return kernel_level().features

    def set_env(self, env_name: str, env: Any) -> None:
        """Set an environment that machine code refers to. None does to a part's: numba would write to address zero."""
        if self._engine.get_global_value_address(env_name):
            super().set_env(env_name, env)


class _Context(CPUContext):
    def init(self) -> None:
        with global_compiler_lock:
            super().init()
            self._internal_codegen = _Codegen("tilepress.exec")

    def get_executable(self, library: Any, fndesc: Any, env: Any) -> Any:
        """Return the function that Python calls; of a part one that has an address of zero, as numba's own parts have.

        Environments of parts, which numba would set where it makes machine code of them, are set in the kernel.
        """
        library.finalize_for(fndesc.llvm_cpython_wrapper_name)
        if library.is_part:
            name = fndesc.qualname.rpartition(".")[2]
            return _dynfunc.make_function(fndesc.lookup_module(), name, "a part", 0, env, (library,))
        made = super().get_executable(library, fndesc, env)
        for name in library.environments():
            if (found := lookup_environment(name)) is not None:
                library.codegen.set_env(name, found)
        return made


class _Target(CPUTarget):
    @cached_property
    def _toplevel_target_context(self) -> _Context:
        return _Context(self.typing_context, self._target_name)


class KernelDispatcher(CPUDispatcher):
    """What a kernel is in Python: called, it finds or compiles the code for the types of its arguments."""

    targetdescr = _Target(_NAME)

    def compile(self, sig: Any) -> Any:
        """Compile a signature, with all that it calls, for the target of kernels."""
        with target_override(_NAME):
            return super().compile(sig)


class PartDispatcher(KernelDispatcher):
    """The same for a part, which kernels call; called from Python it is a kernel of the same function."""

    def __call__(self, *arguments: Any) -> Any:
        """Run the part as a kernel."""
        return self.alone(*arguments)

    @cached_property
    def alone(self) -> Any:
        """The part as a kernel, compiled and kept as one."""
        alone = dispatcher(self.py_func, part=False, counts=self.targetoptions.get("_nrt", True))
        vars(alone)["_cache"] = self._cache.alone()
        return alone


def dispatcher(function: Callable[..., Any], *, part: bool, counts: bool) -> Any:
    """Return what compiles a function when it is called: itself if numba is told to compile nothing.

    `part`: it is inlined wherever it is called; `counts`: references to arrays are counted, else it makes none.
    """
    if config.DISABLE_JIT:
        return function
    options = {"nopython": True, "nogil": True, "no_cfunc_wrapper": True, "boundscheck": None}
    options |= {"forceinline": True, "no_cpython_wrapper": True} if part else {}
    options |= {} if counts else {"_nrt": False}
    return (PartDispatcher if part else KernelDispatcher)(function, targetoptions=options)


class _KernelTarget(CPU):
    """The place of the target among numba's: whatever is there for `cpu` and `generic` is there for it."""


def _compile_of_numba(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make dispatchers of numba's own functions, such as `min`, that kernels call."""
    options = {"boundscheck": None, "no_cfunc_wrapper": True} | options
    return lambda function: KernelDispatcher(function, targetoptions=options)


target_registry[_NAME] = _KernelTarget
dispatcher_registry[_KernelTarget] = KernelDispatcher
jit_registry[_KernelTarget] = _compile_of_numba
