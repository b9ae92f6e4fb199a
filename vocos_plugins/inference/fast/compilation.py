"""Compiles an engine's decode of short items to a library, by torch's own compiler; it needs one for C++ too.

The engine itself is traced: there is no second version of the maths. Weights that oneDNN laid out have no memory that
a compiler could read. The trace gets the ones that they were made of, and torch lays these out as it compiles.
"""

from __future__ import annotations

import logging
import shutil
import statistics
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, library
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from ...network.network import Network
from ...storage.atomic import publish, temporary_folder, write_text
from .compiled import DIGEST, FRAMES, MIN_SIGNAL_TO_ERROR_DB, Run, digest, library_path, load_library, measure_error
from .engine import build_fast_engine

# Frames of the trace, and of the comparison: about one second.
TYPICAL_FRAMES = 86
TURNS = 30

_aten: Any = torch.ops.aten
_mkldnn: Any = torch.ops.mkldnn


class CompilationError(RuntimeError):
    """An engine can't be compiled here, or gains nothing by it."""


def compile_network(network: Network, precision: str) -> tuple[Path, float, float]:
    """Compiles a model's engine; processes that load this model on this machine decode short items by it.

    Args:
        network: a mel model with a ConvNeXt backbone and an ISTFT head.
        precision: of the engine.

    Returns:
        The library's path, and the engine's and the library's time for one second of audio, in milliseconds.

    Raises:
        CompilationError: this torch can't compile the engine, there is no C++ compiler, or the library is slower or
            computes something else.
    """
    with torch.no_grad(), _LayingOut() as laying_out:
        engine = build_fast_engine(network, precision)
    if engine.synthesis is None:
        raise CompilationError("only models with an ISTFT head whose frames overlap by whole hops can be compiled")

    def decode(features: Tensor) -> Tensor:
        return engine(features, None)

    features = torch.zeros(network.config.n_features, TYPICAL_FRAMES)
    target = library_path(network, precision)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with temporary_folder(target) as folder:
        tried = folder / target.name
        try:
            with torch.no_grad():
                files = _copy(Path(_compile(decode, features, laying_out)), tried)
            run = load_library(tried)
            error_db = measure_error(run, decode, network)
        except Exception as error:  # torch's compiler raises whatever its parts do
            raise CompilationError(f"torch {torch.__version__} can't compile the model: {_reason(error)}") from error
        if error_db < MIN_SIGNAL_TO_ERROR_DB:
            raise CompilationError(f"the library computes something else: signal to error {error_db:.0f} dB")
        before, after = _compare(decode, run, features)
        if after >= before:
            raise CompilationError(
                f"in {precision} it gains nothing: {after:.1f} in place of {before:.1f} ms per second"
            )
        publish({file: target.with_suffix(file.suffix) for file in files})
    return target, before, after


class _LayingOut(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records what each tensor in oneDNN's own layout was made of: the operator and its arguments."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: list[tuple[Tensor, Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_mkldnn:
            self.made.append((result, func, args))
        return result


def _compile(decode: Run, features: Tensor, laying_out: _LayingOut) -> str:
    """Returns the path of the compiled library, in the compiler's own cache."""
    trace = make_fx(lambda mel: (decode(mel),), tracing_mode="symbolic", _allow_non_fake_inputs=True)
    traced = trace(features)
    _check_frames(traced)
    _lay_out_in_trace(traced, laying_out)
    _describe_layouts()
    # It lists the operators that it calls as they are, and warns of its own code.
    logging.getLogger("torch._inductor").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled: Any = torch._inductor.aot_compile(traced, (features,), options={"freezing": True})
    return str(compiled)


def _copy(made: Path, target: Path) -> list[Path]:
    """Copies a library, and the list of operators that it calls by name; returns all files, the library last."""
    operators, binary = (
        Path(shutil.copyfile(made.with_suffix(suffix), target.with_suffix(suffix))) for suffix in (".json", ".so")
    )
    return [operators, write_text(target.with_suffix(DIGEST), digest(binary)), binary]


def _check_frames(traced: fx.GraphModule) -> None:
    """Raises ValueError for a trace that holds for other numbers of frames than `FRAMES`."""
    (features,) = (node.meta["val"] for node in traced.graph.nodes if node.op == "placeholder")
    n_frames = features.shape[1]
    found = getattr(getattr(n_frames, "node", None), "expr", n_frames)
    held: Any = traced.shape_env.var_to_range.get(found)  # type: ignore[union-attr]
    if held is None or held.lower > FRAMES[0] or held.upper < FRAMES[-1]:
        raise ValueError(f"its trace holds for {held or found} frames, expected {FRAMES[0]} to {FRAMES[-1]}")


def _lay_out_in_trace(traced: fx.GraphModule, laying_out: _LayingOut) -> None:
    """Puts the weights that laid out ones were made of into a trace, and the operators that lay them out."""
    made = {id(tensor): (func, args) for tensor, func, args in laying_out.made}
    for node in list(traced.graph.nodes):
        if node.op != "get_attr" or id(getattr(traced, node.target)) not in made:
            continue
        func, (weight, *others) = made[id(getattr(traced, node.target))]
        setattr(traced, node.target, None)
        name = f"plain{node.target}"
        traced.register_buffer(name, weight.detach().clone())
        with traced.graph.inserting_before(node):
            plain = traced.graph.get_attr(name)
            # The compiler lays out a convolution's weight by itself, and would do it twice.
            is_conv = func is _mkldnn._reorder_convolution_weight.default
            node.replace_all_uses_with(plain if is_conv else traced.graph.call_function(func, (plain, *others)))
        traced.graph.erase_node(node)
    for node in traced.graph.find_nodes(op="call_function", target=_mkldnn._convolution_pointwise.default):
        image, weight, bias, padding, stride, dilation, groups, *_ = node.args
        with traced.graph.inserting_before(node):
            arguments = (image, weight, bias, stride, padding, dilation, False, [0, 0], groups)
            node.replace_all_uses_with(traced.graph.call_function(_aten.convolution.default, arguments))
        traced.graph.erase_node(node)
    traced.recompile()


def _describe_layouts() -> None:
    """Tells torch's compiler the shapes that operators return which lay out weights; torch has only computed them."""

    def like(weight: Tensor, _rows: int | None = None) -> Tensor:
        return torch.empty_like(weight)

    def transposed(weight: Tensor, _shape: Any = None) -> Tensor:
        return torch.empty_like(weight.t())

    for name, describe in (("mkldnn::_reorder_linear_weight", like), ("onednn::qlinear_prepack", transposed)):
        with suppress(RuntimeError):  # of a torch that knows it
            library.register_fake(name, describe)


def _compare(decode: Run, run: Run, features: Tensor) -> tuple[float, float]:
    """Returns the median milliseconds of two functions that take turns."""
    times: dict[Run, list[float]] = {decode: [], run: []}
    with torch.inference_mode():
        for _ in range(TURNS):
            for function, taken in times.items():
                start = time.perf_counter()
                function(features)
                taken.append(1000 * (time.perf_counter() - start))
    before, after = (statistics.median(taken) for taken in times.values())
    return before, after


def _reason(error: Exception) -> str:
    """Returns the first line of an error, which may be pages long."""
    if "InvalidCxxCompiler" in str(error):
        return "no C++ compiler was found; install one, such as g++, or name it in the environment variable CXX"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
