"""The training loop on Ray Train: one worker a GPU or some processors, DistributedDataParallel, fed by Ray Data."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
import torch
from ray import exceptions as ray_errors
from ray.train.torch import TorchTrainer, get_device, prepare_model

from tilepress.jobs.recipes.recipe import TrainingPlan
from tilepress.jobs.training.checkpoints import PLAN, TrainingState, latest, save
from tilepress.jobs.training.device import fast_convolutions
from tilepress.jobs.training.feeding import (
    DATA_CPUS,
    Feed,
    Share,
    batches,
    initial_crops,
    ray_dataset,
    validation_batches,
)
from tilepress.jobs.training.figures import Row
from tilepress.jobs.training.learner import Learner
from tilepress.jobs.training.loop import Hooks, run
from tilepress.pipeline.engine.engine import EngineConfig
from tilepress.pipeline.engine.ray_cluster import Capacity, connect
from tilepress.pipeline.engine.ray_environment import adopt, environment
from tilepress.pipeline.engine.remote_error import RemoteError
from tilepress.pipeline.errors import EngineError, InfrastructureError, TilepressError, UsageError
from tilepress.pipeline.storage.base import Location, Storage

_FAILURES = 3  # workers may die so often; each time training goes on from the last checkpoint
_POLL_S = 0.5
_STREAMED = "train"  # the data set of crops that Ray Data makes


@dataclass(frozen=True)
class Job:
    """What every worker is told."""

    plan: TrainingPlan
    feed: Feed
    work: Location  # of the folder that holds the checkpoints
    claim: str  # id of the training, which is in that folder
    variables: tuple[tuple[str, str], ...]
    board: Any
    began: float  # see Hooks
    reserve_s: float
    resident: bool  # images stay on the workers' devices: crops are drawn there, and Ray Data makes none


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Board:
    """Where rank 0 posts the log, and the driver reads it."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._error: RemoteError | None = None

    def post(self, row: Row) -> None:
        """Add a row."""
        self._rows.append(row)

    def fail(self, error: RemoteError) -> None:
        """Say what a worker could not go on with."""
        self._error = error

    def failed(self) -> bool:
        """Tell whether a worker has said so: trying again would not help."""
        return self._error is not None

    def take(self) -> tuple[list[Row], RemoteError | None]:
        """Return the rows since the last call, and the error."""
        rows, self._rows = self._rows, []
        return rows, self._error


def train_on_ray(
    plan: TrainingPlan,
    feed: Feed,
    work: Location,
    first_step: int,
    config: EngineConfig,
    post: Callable[[Row], None],
    began: float,
    reserve_s: float,
) -> int:
    """Train to the end, which is a checkpoint, and return the number of workers. EngineError, UsageError.

    Args:
        plan: The recipe, every key resolved.
        feed: The data set and how it is divided.
        work: The folder of checkpoints, which every worker must reach.
        first_step: Where the last checkpoint left off; 0 at the start.
        config: How many workers, on which cluster.
        post: Hears of every row of the log.
        began: See Hooks.
        reserve_s: See Hooks.
    """
    started = connect(config)
    try:
        capacity = Capacity.of(ray.nodes())
        scaling = _scaling(config, capacity)
        board = Board.remote()  # type: ignore[attr-defined]
        claim = json.loads(work.open().read(PLAN))["id"]
        resident = feed.resident("cuda" if scaling.use_gpu else "cpu")
        job = Job(plan, feed, work, claim, environment(), board, began, reserve_s, resident)
        crops = {} if resident else {_STREAMED: ray_dataset(feed, first_step, scaling.num_workers)}
        with _reading(board, post) as reader, tempfile.TemporaryDirectory() as scratch:
            trainer = TorchTrainer(
                _worker,
                train_loop_config={"job": job},
                scaling_config=scaling,
                datasets=crops,
                run_config=ray.train.RunConfig(
                    storage_path=scratch, failure_config=ray.train.FailureConfig(max_failures=_FAILURES)
                ),
            )
            try:
                _fit(trainer)
            except (ray.train.TrainingFailedError, ray_errors.RayError) as exc:
                raise EngineError(
                    f"training failed more than {_FAILURES} times; the same command goes on from the last checkpoint. "
                    f"Last cause: {exc}"
                ) from exc
        if reader.failure is not None:
            raise reader.failure.error()
        return int(scaling.num_workers)
    finally:
        if started:
            ray.shutdown()


def _fit(trainer: TorchTrainer) -> None:
    """`trainer.fit`, off the main thread: there it would take Ctrl-C for itself, and end the program with 0."""
    errors: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as exc:  # noqa: BLE001 - raised again by the thread that waits
            errors.append(exc)

    thread = threading.Thread(target=fit, daemon=True)  # dies with this process, whose end is the workers' end
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
    if errors:
        raise errors[0]


def _scaling(config: EngineConfig, capacity: Capacity) -> ray.train.ScalingConfig:
    gpus = int(sum(capacity.gpus)) if config.gpus_per_actor else 0
    workers = config.workers or gpus or max(1, min(4, capacity.cpus // 2))
    if 0 < gpus < workers:
        raise UsageError(f"the cluster has {gpus} GPUs for {workers} workers: `workers` {gpus}, or `gpus_per_actor` 0")
    on_gpus = gpus >= workers
    cpus = min(1.0, (1 - DATA_CPUS) * capacity.cpus / workers)
    resources = {"CPU": cpus, **({"GPU": 1} if on_gpus else {})}
    return ray.train.ScalingConfig(num_workers=workers, use_gpu=on_gpus, resources_per_worker=resources)


class _Reader:
    """The driver's end of the board."""

    def __init__(self, board: Any, post: Callable[[Row], None]) -> None:
        self._board, self._post = board, post
        self._lock = threading.Lock()
        self.failure: RemoteError | None = None

    def read(self) -> None:
        """Hand on what is new."""
        with self._lock:
            rows, self.failure = ray.get(self._board.take.remote())
            for row in rows:
                self._post(row)


class _reading:  # noqa: N801 - a context, used like a function
    """Reads the board twice a second as long as the context lasts, and once more at its end."""

    def __init__(self, board: Any, post: Callable[[Row], None]) -> None:
        self._reader = _Reader(board, post)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self._reader

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        over = False
        while not over:
            over = self._over.wait(_POLL_S)
            with suppress(ray_errors.RayError):  # the board is being moved, or the cluster is gone: fit() says so
                self._reader.read()


def _worker(given: dict[str, Any]) -> None:
    job: Job = given["job"]
    adopt(job.variables)
    if ray.get(job.board.failed.remote()):
        return  # started again after an error that is not of the machines: there is no point in it
    try:
        _train(job)
    except InfrastructureError:
        raise  # what trying again may cure
    except TilepressError as exc:
        ray.get(job.board.fail.remote(RemoteError.of(exc)))
        raise


def _train(job: Job) -> None:
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    work = job.work.open()
    _require_shared(work, job)
    learner = Learner(job.plan, str(get_device()))
    state = TrainingState()
    found = latest(work)
    if found:
        state, tensors = found
        learner.restore(tensors)
    elif rank == 0:
        learner.initialise(initial_crops(job.feed))
    if world > 1 and job.plan.options.steps:
        learner.wrap(lambda network: prepare_model(network, move_to_device=False))  # gives all ranks rank 0's weights
    if not found:
        learner.begin_average()
    validation = [batch.to(learner.device) for batch in validation_batches(job.feed)] if rank == 0 else []
    hooks = Hooks(
        lambda: iter(validation),
        lambda row: job.board.post.remote(row),
        lambda reached: save(work, reached, learner.tensors()),
        _agreement() if world > 1 else lambda values: values,
        rank,
        world,
        job.began,
        job.reserve_s,
    )
    made = batches(job.feed, state.step, learner.device, Share(rank, world)) if job.resident else _streamed(job)
    with fast_convolutions(learner.device), closing(made) as crops:
        run(learner, state, crops, job.feed.split.pixels, hooks)


def _require_shared(work: Storage, job: Job) -> None:
    """UsageError if this node sees another folder than the driver's: its checkpoints would be lost."""
    if not work.exists(PLAN) or json.loads(work.read(PLAN)).get("id") != job.claim:
        raise UsageError(
            f"node {ray.util.get_node_ip_address()} does not see {work.url} as the driver does: "
            "give an `out` on a folder that all nodes share, or in a bucket"
        )


def _streamed(job: Job) -> Generator[torch.Tensor, None, None]:
    shard = ray.train.get_dataset_shard(_STREAMED)
    while True:
        for batch in shard.iter_torch_batches(batch_size=job.feed.options.batch_size, drop_last=True):
            yield batch["crop"]


def _agreement() -> Callable[[list[float]], list[float]]:
    """Return what gives rank 0's values at every rank: from processor to processor, so that no step waits for GPUs."""
    group = None if torch.distributed.get_backend() == "gloo" else torch.distributed.new_group(backend="gloo")

    def agree(values: list[float]) -> list[float]:
        tensor = torch.tensor(values, dtype=torch.float64)
        torch.distributed.broadcast(tensor, src=0, group=group)
        return [float(value) for value in tensor]

    return agree
