"""Functions of tensors, recorded once as a flat list of operations and then replayed.

A step that goes through modules, `vmap` and autograd spends about a millisecond in Python and
dispatch, which for small networks is more than the arithmetic. Replayed operations save that time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["Recorded", "record"]

# A function of tensors and lists of tensors.
Function = Callable[..., Any]

# A recording costs about as much time as it saves in this many calls.
CALLS_BEFORE_RECORDING = 250

# A product of matrices was measured to be slow with at most `NARROW` columns, or with at most one
# column for every `TERMS_A_COLUMN` terms of its sums.
NARROW, TERMS_A_COLUMN = 3, 100

aten = torch.ops.aten
TRANSPOSE = aten.transpose.int
NOTHING_BUT_SHAPE = (
    aten.view.default,
    aten.expand.default,
    aten._unsafe_view.default,
    aten.detach.default,
    aten.alias.default,
)
# Operations whose result has memory of its own, and operations that can write over an operand.
NEW_TENSOR = (aten.bmm.default, aten.clone.default, aten.add_.Tensor)
IN_PLACE = {
    aten.add.Tensor: aten.add_.Tensor,
    aten.relu.default: aten.relu_.default,
    aten.threshold_backward.default: aten.threshold_backward.grad_input,
}


class Recorded:
    """A function that is replayed from a recording after enough calls with the same shapes.

    Parameters
    ----------
    function : callable
        A function of tensors and lists of tensors. It must run the same operations at every call,
        without a branch that depends on values and without randomness. A recording computes no
        gradients but those that the function itself returns.
    calls_before : int
        Number of calls with tensors of the same shapes before the function is recorded for them.
    """

    def __init__(self, function: Function, calls_before: int = CALLS_BEFORE_RECORDING) -> None:
        self.function, self.calls_before = function, calls_before
        self._calls: dict[Any, int] = {}
        self._replays: dict[Any, Function | None] = {}

    def __call__(self, *arguments: Tensor | list[Tensor]) -> Any:
        """Return the result of the function."""
        # Lists hold parameters, whose shapes follow from those of the rows.
        shapes = tuple(a.shape for a in arguments if isinstance(a, Tensor))
        if shapes not in self._replays:
            calls = self._calls.get(shapes, 0)
            if calls < self.calls_before:
                self._calls[shapes] = calls + 1
                return self.function(*arguments)
            self._replays[shapes] = _replay_of(self.function, *arguments)
        replay = self._replays[shapes]
        if replay is None:
            return self.function(*arguments)
        with torch.no_grad():
            return replay(*map(_detached, arguments))


def _detached(argument: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    return argument if isinstance(argument, Tensor) else [t.detach() for t in argument]


def _replay_of(function: Function, *arguments: Any) -> Function | None:
    """Return the recorded function, or None if it cannot be recorded."""
    try:
        return _without_python(record(function, *arguments), *arguments)
    except Exception:  # the recorder is experimental, and the plain function works too
        return None


def record(function: Function, *arguments: Any) -> fx.GraphModule:
    """Return the operations that the function does with these arguments."""
    from torch.fx.experimental.proxy_tensor import make_fx

    # The recorder counts `self` of a method as an argument, so it gets a plain function.
    return _cleaned(make_fx(lambda *given: function(*given))(*arguments))


@torch.no_grad()
def _without_python(recording: fx.GraphModule, *arguments: Any) -> Function:
    """Return the recording as TorchScript, which runs no Python between the operations.

    PyTorch still has TorchScript but deprecates it. If it fails, and on devices other than a CPU,
    the recording itself is returned, which is replayed from Python.
    """
    tensors, given = tree_flatten([_detached(argument) for argument in arguments])
    if not all(tensor.is_cpu for tensor in tensors):
        return recording
    returned = tree_flatten(recording(*tree_unflatten(tensors, given)))[1]

    def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tree_flatten(recording(*tree_unflatten(tensors, given)))[0])

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.trace(flat, tuple(tensors), check_trace=False)
    except Exception:  # TorchScript may fail in any way
        return recording
    return lambda *arguments: tree_unflatten(script(*tree_flatten(arguments)[0]), returned)


def _cleaned(recording: fx.GraphModule) -> fx.GraphModule:
    """Remove operations that change nothing, and bring the others into faster forms."""
    graph = recording.graph
    if any(_writes(node) or node.target is aten.as_strided.default for node in graph.nodes):
        # The order of operations, copies and the place of a value in memory matter then.
        return recording
    for change in (_skip, _turn_product, _undo_transposes, _write_over):
        for node in list(graph.nodes):
            if node.op == "call_function":
                change(graph, node)
        graph.eliminate_dead_code()
    recording.recompile()
    return recording


def _writes(node: fx.Node) -> bool:
    """Return whether an operation changes a tensor in place."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _skip(graph: fx.Graph, node: fx.Node) -> None:
    if _changes_nothing(node):
        _replace(node, node.args[0])
        graph.erase_node(node)


def _changes_nothing(node: fx.Node) -> bool:
    if node.target is aten.mul.Scalar:
        return bool(node.args[1] == 1)
    if node.target not in NOTHING_BUT_SHAPE:
        return False
    before, after = node.args[0].meta["val"], node.meta["val"]  # type: ignore[union-attr]
    return before.shape == after.shape and before.stride() == after.stride()


def _turn_product(graph: fx.Graph, node: fx.Node) -> None:
    """Compute a product A·B as the transpose of Bᵀ·Aᵀ if that is faster.

    It is faster in two cases. A narrow product, such as a layer with few outputs or its gradient,
    takes several times as long as the wide one that it becomes. And if only the transpose of A·B is
    used, as with the gradient of any layer, then Bᵀ·Aᵀ is that transpose and need not be copied.
    """
    if node.target is not aten.bmm.default:
        return
    _, height, width = node.meta["val"].shape
    narrow = max(NARROW, node.args[0].meta["val"].shape[2] // TERMS_A_COLUMN)  # type: ignore[union-attr]
    wanted = all(user.target is TRANSPOSE for user in node.users)
    if height <= narrow or not (wanted or width <= narrow):
        return
    with graph.inserting_before(node):
        turned = [_transposed(graph, part) for part in reversed(node.args)]
        whole = _transposed(graph, _new(graph, aten.bmm.default, *turned))
        if not wanted:  # operations that use the product may rely on its layout
            whole = _new(graph, aten.clone.default, whole, memory_format=torch.contiguous_format)
    _replace(node, whole)
    graph.erase_node(node)


def _undo_transposes(graph: fx.Graph, node: fx.Node) -> None:
    """Replace a transpose of a transpose by the tensor, and a copy of a product by the product."""
    before = node.args[0] if node.args else None
    if not isinstance(before, fx.Node):
        return
    if node.target is TRANSPOSE and before.target is TRANSPOSE:
        if set(node.args[1:]) == set(before.args[1:]):
            _replace(node, before.args[0])
    elif node.target is aten.clone.default and before.target is aten.bmm.default:
        _replace(node, before)


def _replace(node: fx.Node, other: Any) -> None:
    node.replace_all_uses_with(other)


def _transposed(graph: fx.Graph, node: Any) -> fx.Node:
    return _new(graph, TRANSPOSE, node, 1, 2)


def _new(graph: fx.Graph, target: Any, *arguments: Any, **options: Any) -> fx.Node:
    """Insert an operation, and note shape, layout and type of its result."""
    node = graph.call_function(target, arguments, options)
    node.meta["val"] = target(*map(_shape_alone, arguments), **options)
    return node


def _shape_alone(argument: Any) -> Any:
    if not isinstance(argument, fx.Node):
        return argument
    value = argument.meta["val"]
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _write_over(graph: fx.Graph, node: fx.Node) -> None:
    """Write a result over an operand of the same shape that no other operation uses."""
    if node.target not in IN_PLACE or node.kwargs:
        return
    operands = node.args[:2] if node.target is aten.add.Tensor else node.args[:1]
    for operand in operands:
        if _spare(operand, node):
            others = [argument for argument in node.args if argument is not operand]
            node.target, node.args = IN_PLACE[node.target], (operand, *others)
            if node.target is aten.threshold_backward.grad_input:
                node.kwargs = {"grad_input": operand}
            return


def _spare(operand: Any, node: fx.Node) -> bool:
    """Return whether an operand may be overwritten by the result.

    No other operation may use it, and its shape and type must be those of the result.
    """
    if not isinstance(operand, fx.Node) or operand.target not in NEW_TENSOR:
        return False
    own, result = operand.meta["val"], node.meta["val"]
    used_once = len(operand.users) == 1 and node.args.count(operand) == 1
    return used_once and own.shape == result.shape and own.dtype == result.dtype
