"""The training loop: networks join a stack, learn epoch by epoch, and leave it on their own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.methods.method import Method
from holdfast.nn.many.constraint import Multipliers
from holdfast.nn.many.fresh import FreshStates, ModuleSource, State, loadable
from holdfast.nn.many.functions import Functions, functions_of
from holdfast.nn.many.stack import Stack, quiet_vmap
from holdfast.nn.optimizers import Optimizer

__all__ = ["Outcome", "Recipe", "Task", "train"]

VALIDATION_BLOCK = 256  # rows of each network that are predicted at once


@dataclass(frozen=True, eq=False)
class Task:
    """One network to train, with everything that the loop needs.

    Attributes
    ----------
    index : int
        Position of the task's run in the list that the caller gave.
    rows : ndarray of shape (n,)
        Positions of the training rows in the pool of all rows.
    targets : ndarray of shape (n, K)
        Their targets, multiplied by the weights of the rows.
    validation_rows : ndarray of shape (m,)
        Positions of the validation rows in the pool; m is 0 without validation.
    validation_targets : ndarray of shape (m, K)
        Their targets.
    method : Method
        The method that is trained.
    seeds : tuple of int
        Seed of the network, and that of its partner if the method couples two networks.
    base : State or None
        Parameters and buffers of the base model if the method needs them.
    base_proba : ndarray of shape (n, K), or None
        Base probabilities of the training rows if the method constrains churn. A row of NaN has no
        base prediction.
    """

    index: int
    rows: NDArray[np.int64]
    targets: NDArray[np.float32]
    validation_rows: NDArray[np.int64]
    validation_targets: NDArray[np.float32]
    method: Method
    seeds: tuple[int, ...]
    base: State | None
    base_proba: NDArray[np.float32] | None = None

    def start(self, fresh_states: FreshStates, member: int) -> State:
        """Return the state in which a network starts.

        The method blends real numbers only; integers such as counts are the base model's.

        Parameters
        ----------
        fresh_states : FreshStates
            Draws fresh states of the architecture.
        member : int
            0 for the network itself, 1 for its partner.
        """
        fresh = fresh_states.draw(self.seeds[member])
        base = self.base
        if base is None or "start" not in self.method.changes:
            return fresh
        blended = {
            name: self.method.start(value, base[name]) if value.is_floating_point() else base[name]
            for name, value in fresh.items()
            if name in base
        }
        return {**fresh, **blended}  # buffers that are not saved stay those of the module

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of training and validation rows, which all tasks in a stack must share."""
        return len(self.rows), len(self.validation_rows)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of one task.

    Attributes
    ----------
    index : int
        The task's index.
    state : State or None
        Trained parameters and buffers on the CPU; None if the loss was not finite.
    status : {"stopped", "max_epochs", "diverged"}
        How training ended, as in `FittedNetwork`.
    losses : tuple of float
        Training loss of each epoch.
    validation_losses : tuple of float
        Validation loss of each epoch.
    violations : tuple of float
        Mean violation of the constraint on churn in each epoch; empty without a constraint.
    multipliers : tuple of float
        Lagrange multiplier at the end of each epoch; empty without a constraint.
    seconds : float
        The network's share of the training time.
    """

    index: int
    state: State | None
    status: str
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    violations: tuple[float, ...]
    multipliers: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Recipe:
    """The settings that all networks share.

    Attributes
    ----------
    batch_size : int
        Rows of one training step.
    max_epochs : int
        Largest number of epochs.
    patience : int or None
        Number of epochs without a better validation loss after which a network stops. None trains
        every network for `max_epochs`.
    restore_best : bool
        Whether a network goes back to its best epoch. That is the epoch of lowest validation loss
        among those that violate the network's constraint least.
    optimizer : Optimizer
        Settings of the optimizer.
    loss : str
        Loss in training and validation, a key of `functions.LOSSES`.
    stacked : bool
        Whether networks run through ``vmap`` or one after the other.
    random : bool
        Whether the module draws random numbers in training.
    autocast : torch.dtype or None
        Precision of the forward pass if it is not that of the parameters.
    capacity : int
        Number of networks that are trained at once.
    keep_recordings : bool
        Whether recorded computations are kept for later calls.
    """

    batch_size: int
    max_epochs: int
    patience: int | None
    restore_best: bool
    optimizer: Optimizer
    loss: str
    stacked: bool
    random: bool
    autocast: torch.dtype | None
    capacity: int
    keep_recordings: bool = False

    def stack(self, functions: Functions, states: Sequence[State]) -> Stack:
        """Return a stack of networks that start from `states`."""
        return Stack(
            functions,
            states,
            self.optimizer,
            stacked=self.stacked,
            random=self.random,
            autocast=self.autocast,
        )


@dataclass(eq=False)
class _Slot:
    """One network in the stack and its training so far.

    The two networks of a coupled task have a slot each.
    """

    task: Task
    member: int
    rng: np.random.Generator
    generator: torch.Generator
    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    violations: list[float] = field(default_factory=list)
    multipliers: list[float] = field(default_factory=list)
    best: tuple[float, float] = (math.inf, math.inf)  # violation, validation loss
    best_state: State | None = None
    stale: int = 0
    seconds: float = 0.0
    partner: _Slot | None = None
    ended: bool = False

    @classmethod
    def new(cls, task: Task, member: int, device: torch.device) -> _Slot:
        """Return the slot of a network that is about to join."""
        seeds = np.random.SeedSequence(task.seeds[member]).spawn(2)
        generator = torch.Generator(device)
        generator.manual_seed(int(seeds[1].generate_state(1, np.uint64)[0] >> 1))
        return cls(task, member, np.random.default_rng(seeds[0]), generator)


@quiet_vmap()
def train(
    source: ModuleSource,
    pool: Tensor,
    recipe: Recipe,
    claim: Callable[[int], Sequence[Task]],
    report: Callable[[Outcome], None],
) -> None:
    """Train tasks of one shape until no more of them can be claimed.

    Parameters
    ----------
    source : nn.Module or callable
        The architecture, or a function that builds it.
    pool : Tensor of shape (N, …)
        All rows, on the device of training.
    recipe : Recipe
        The settings that all networks share.
    claim : callable
        Takes a number of free places and returns the tasks that may fill them, none if there are
        no more.
    report : callable
        Takes the outcome of each task as soon as it ends.
    """
    functions = functions_of(
        source, recipe.loss, pool.device, keep=recipe.keep_recordings and recipe.stacked
    )
    fresh_states = FreshStates(source)
    slots: list[_Slot] = []
    stack: Stack | None = None
    while True:
        training = sum(not slot.ended for slot in slots)
        joining = _new_slots(claim(recipe.capacity - training), pool.device)
        if not training and not joining:
            return
        if stack is not None:
            slots = _with_room(stack, slots, len(joining))
        if joining:
            starts = [slot.task.start(fresh_states, slot.member) for slot in joining]
            arrived = recipe.stack(functions, starts)
            if stack is None or not slots:
                stack = arrived
            else:
                stack.join(arrived)
            slots = slots + joining
        assert stack is not None  # at least one network has joined
        _train_epoch(stack, slots, pool, recipe)
        _report_ended(stack, slots, recipe, report)


def _new_slots(tasks: Sequence[Task], device: torch.device) -> list[_Slot]:
    slots = []
    for task in tasks:
        group = [_Slot.new(task, member, device) for member in range(len(task.seeds))]
        for slot, partner in zip(group, reversed(group), strict=True):
            slot.partner = partner if partner is not slot else None
        slots += group
    return slots


def _report_ended(
    stack: Stack, slots: list[_Slot], recipe: Recipe, report: Callable[[Outcome], None]
) -> None:
    """Report the networks that have ended in the latest epoch."""
    status = [_status(slot, recipe) for slot in slots]
    place = {id(slot): i for i, slot in enumerate(slots)}
    for i, slot in enumerate(slots):
        if slot.ended:
            continue
        pair = [status[i]]
        if slot.partner is not None:
            pair.append(status[place[id(slot.partner)]])
        if "diverged" not in pair and None in pair:
            continue  # a coupled network teaches its partner until both have ended
        slot.ended = True
        if slot.member == 0:
            ended = "diverged" if "diverged" in pair else str(status[i])
            report(_outcome(stack, i, slot, ended, recipe))


def _with_room(stack: Stack, slots: list[_Slot], n_joining: int) -> list[_Slot]:
    """Take networks that have ended out of the stack, so that others can join.

    A recording holds for one size of the stack. A stack with recorded computations therefore keeps
    its size until half of it would suffice. Until then, networks that have ended train on in their
    places, and their results are ignored.
    """
    training = [i for i, slot in enumerate(slots) if not slot.ended]
    ended = [i for i, slot in enumerate(slots) if slot.ended]
    needed = len(training) + n_joining
    size = max(len(slots), needed) if stack.recorded else needed
    while needed <= size // 2:
        size -= size // 2
    staying = sorted(training + ended[: size - needed])
    if 0 < len(staying) < len(slots):
        stack.keep(torch.tensor(staying, dtype=torch.long))
    return [slots[i] for i in staying]


def _status(slot: _Slot, recipe: Recipe) -> str | None:
    """Return how a network ended, or None if it goes on."""
    latest = [slot.losses[-1], *slot.validation_losses[-1:]]
    if not all(map(math.isfinite, latest)):
        return "diverged"
    if recipe.patience is not None and slot.stale >= recipe.patience:
        return "stopped"
    return "max_epochs" if len(slot.losses) >= recipe.max_epochs else None


def _outcome(stack: Stack, i: int, slot: _Slot, status: str, recipe: Recipe) -> Outcome:
    state = None
    if status != "diverged":
        best = slot.best_state if recipe.restore_best else None
        state = loadable(stack.module, best or stack.state(i))
    return Outcome(
        slot.task.index,
        state,
        status,
        tuple(slot.losses),
        tuple(slot.validation_losses),
        tuple(slot.violations),
        tuple(slot.multipliers),
        slot.seconds,
    )


# --- one epoch -----------------------------------------------------------------------------------


def _train_epoch(stack: Stack, slots: list[_Slot], pool: Tensor, recipe: Recipe) -> None:
    start = time.perf_counter()
    batches = _Batches(slots, pool, recipe.batch_size, stack.functions)
    peers = _Peers(slots, pool.device)
    multipliers = _multipliers(slots, pool.device)
    generators = [slot.generator for slot in slots]
    total = torch.zeros(len(slots), device=pool.device)
    for x, target, order in batches:
        target = peers.blend(stack, x, target)
        taught = target if multipliers is None else multipliers.teach(target, order)
        outputs, losses = stack.learn(x, taught, generators)
        if multipliers is not None:
            multipliers.ascend(outputs, target, order)
        total += losses * x.shape[1]
    for slot, value in zip(slots, (total / batches.n).tolist(), strict=True):
        slot.losses.append(value)
    if multipliers is not None:
        for place, *values in zip(multipliers.places.tolist(), *multipliers.ended(), strict=True):
            slots[place].multipliers.append(values[0])
            slots[place].violations.append(values[1])
    if len(slots[0].task.validation_rows):
        _validate(stack, slots, pool, recipe)
    training = [slot for slot in slots if not slot.ended]
    seconds = (time.perf_counter() - start) / len(training)
    for slot in training:
        slot.seconds += seconds


class _Batches:
    """The batches of one epoch: each network's own rows in its own order."""

    def __init__(
        self,
        slots: Sequence[_Slot],
        pool: Tensor,
        batch_size: int,
        functions: Functions,
    ) -> None:
        self.pool, self.size = pool, batch_size
        self.n = len(slots[0].task.rows)
        order = torch.from_numpy(np.stack([slot.rng.permutation(self.n) for slot in slots]))
        rows = torch.from_numpy(np.stack([slot.task.rows for slot in slots]))
        targets = torch.from_numpy(np.stack([slot.task.targets for slot in slots]))
        self.targets = targets.to(pool.device).flatten(0, 1)
        self.target_rows = (order + self.n * torch.arange(len(slots))[:, None]).to(pool.device)
        self.rows = rows.gather(1, order).to(pool.device)
        self.order = order.to(pool.device)
        self.changes = [
            _ChangedBatches(group, self.n, batch_size, functions)
            for group in _changing_batches(slots)
        ]

    def __iter__(self) -> Any:
        for number, start in enumerate(range(0, self.n, self.size)):
            rows = self.rows[:, start : start + self.size]
            x = self.pool.index_select(0, rows.reshape(-1)).view(*rows.shape, *self.pool.shape[1:])
            picked = self.target_rows[:, start : start + self.size].reshape(-1)
            target = self.targets.index_select(0, picked).view(*rows.shape, -1)
            for changes in self.changes:
                x, target = changes.apply(x, target, number)
            yield x, target, self.order[:, start : start + self.size]


def _multipliers(slots: Sequence[_Slot], device: torch.device) -> Multipliers | None:
    """Return the multipliers of the networks whose churn is constrained, or None without any."""
    places = [i for i, slot in enumerate(slots) if slot.task.base_proba is not None]
    if not places:
        return None
    own = [slots[i] for i in places]
    return Multipliers(
        places,
        [slot.task.method for slot in own],
        [slot.multipliers[-1] if slot.multipliers else 0.0 for slot in own],
        [slot.task.base_proba for slot in own],
        device,
    )


def _changing_batches(slots: Sequence[_Slot]) -> list[list[tuple[int, _Slot]]]:
    """Return places and slots of networks whose methods change batches, grouped by their class."""
    groups: dict[Any, list[tuple[int, _Slot]]] = {}
    for place, slot in enumerate(slots):
        if "batch" in slot.task.method.changes:
            groups.setdefault(type(slot.task.method).batch, []).append((place, slot))
    return list(groups.values())


class _ChangedBatches:
    """The changes that methods of one class make to the batches of one epoch."""

    def __init__(
        self,
        group: list[tuple[int, _Slot]],
        n: int,
        batch_size: int,
        functions: Functions,
    ) -> None:
        method = group[0][1].task.method
        self.places = torch.tensor([place for place, _ in group])
        whole, rest = divmod(n, batch_size)
        drawn: list[tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]] = []
        for _, slot in group:
            draw = slot.task.method.draw
            drawn.append((draw(slot.rng, whole, batch_size), draw(slot.rng, int(rest > 0), rest)))
        self.whole = _stacked([first for first, _ in drawn])
        self.rest = _stacked([last for _, last in drawn])
        self.n_whole = whole
        self.change = functions.change(method, list(self.whole))

    def apply(self, x: Tensor, target: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Return the rows and targets of batch `number` after the change."""
        table, at = (self.whole, number) if number < self.n_whole else (self.rest, 0)
        places = self.places.to(x.device)
        drawn = [values[:, at].to(x.device) for values in table.values()]
        new_x, new_target = self.change(x[places], target[places], *drawn)
        return x.index_copy(0, places, new_x), target.index_copy(0, places, new_target)


def _stacked(drawn: list[dict[str, NDArray[Any]]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.stack([d[name] for d in drawn])) for name in drawn[0]}


class _Peers:
    """The networks that learn from a partner's predictions."""

    def __init__(self, slots: Sequence[_Slot], device: torch.device) -> None:
        place = {id(slot): i for i, slot in enumerate(slots)}
        coupled = [
            (i, slot.partner)
            for i, slot in enumerate(slots)
            if slot.partner is not None and not slot.ended
        ]
        self.places = torch.tensor([i for i, _ in coupled], device=device, dtype=torch.long)
        self.partners = torch.tensor(
            [place[id(partner)] for _, partner in coupled], device=device, dtype=torch.long
        )
        weights = [slots[i].task.method.peer_weight for i, _ in coupled]
        self.weights = torch.tensor(weights, device=device)[:, None, None]

    @torch.no_grad()
    def blend(self, stack: Stack, x: Tensor, target: Tensor) -> Tensor:
        """Return targets in which the partners' predictions for the same rows are mixed."""
        if not len(self.places):
            return target
        logits = stack.predictions(x[self.places], self.partners)
        proba = torch.softmax(logits.float(), dim=-1)
        own = target[self.places]
        # A target sums to the weight of its row, and the mixed target has to do so too.
        mixed = (1 - self.weights) * own + self.weights * proba * own.sum(dim=-1, keepdim=True)
        return target.index_copy(0, self.places, mixed.to(target.dtype))


def _validate(
    stack: Stack,
    slots: list[_Slot],
    pool: Tensor,
    recipe: Recipe,
) -> None:
    rows = torch.from_numpy(np.stack([s.task.validation_rows for s in slots])).to(pool.device)
    held = [slot.task.validation_targets for slot in slots]
    targets = torch.from_numpy(np.stack(held)).to(pool.device)
    total = torch.zeros(len(slots), device=pool.device)
    for start in range(0, rows.shape[1], VALIDATION_BLOCK):
        block = rows[:, start : start + VALIDATION_BLOCK]
        x = pool.index_select(0, block.reshape(-1)).view(*block.shape, *pool.shape[1:])
        target = targets[:, start : start + VALIDATION_BLOCK]
        total += stack.loss(stack.predictions(x), target).sum(dim=1)
    for i, value in enumerate((total / rows.shape[1]).tolist()):
        slot = slots[i]
        slot.validation_losses.append(value)
        reached = (max([0.0, *slot.violations[-1:]]), value)
        if reached < slot.best:
            slot.best, slot.stale = reached, 0
            slot.best_state = stack.state(i) if recipe.restore_best else None
        else:
            slot.stale += 1
