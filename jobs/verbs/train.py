"""`tilepress.train` and `tilepress train`: a recipe and a data set become a model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tilepress.jobs.verbs.parameters import Exclude, Include, Model, Quiet, RayAddress, StorageOptions, public
from tilepress.pipeline.storage.options import NO_OPTIONS
from tilepress.pipeline.storage.place import Place, place_text

if TYPE_CHECKING:
    from tilepress.jobs.training.train import TrainReport


@public
def train(
    recipe: Annotated[Place, typer.Argument(metavar="RECIPE", help="A name of `tilepress recipes`, or a YAML.")],
    data: Annotated[Place, typer.Option(metavar="SOURCE", help="Collection or archive to learn from.")],
    out: Model,
    *,
    start: Annotated[
        Place | None,
        typer.Option(
            "--from", metavar="MODEL", help="Whose weights to begin with, of the same networks; new ones if not given."
        ),
    ] = None,
    overrides: Annotated[
        Sequence[str], typer.Argument(metavar="[KEY=VALUE]...", help="Keys of the recipe, as texts.")
    ] = (),
    include: Include = (),
    exclude: Exclude = (),
    preview: Annotated[bool, typer.Option(help="Of an archive, learn from the lossy pictures of the latents.")] = False,
    engine: Annotated[
        Literal["auto", "local", "ray"],
        typer.Option(
            help="local: this process; ray: a Ray cluster; auto: Ray where `workers` or `ray_address` asks for it."
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            "-j", "--workers", min=1, metavar="N", help="Workers that learn together, on Ray; one a GPU if not given."
        ),
    ] = None,
    ray_address: RayAddress = None,
    gpus_per_actor: Annotated[
        float, typer.Option(metavar="SHARE", help="0: train on processors even where there are GPUs.")
    ] = 1.0,
    quiet: Quiet = True,
    storage_options: StorageOptions = NO_OPTIONS,
) -> "TrainReport":
    """Train `recipe` (`tilepress recipes` lists them, or the path of a YAML) into a model folder.

    Checkpoints, log (Parquet, TensorBoard) and curves are kept in MODEL.training. A killed training goes on from its
    last checkpoint when the command is repeated. It ends with steps=, minutes=, a plateau (patience=) or stop_mse=.

    Returns:
        A TrainReport: the model's SHA-256, and figures of held-out images. UsageError for what cannot be done as
        asked, ResumeError where `out` was begun with other settings.
    """
    from tilepress.jobs.training.train import TrainConfig, run_train
    from tilepress.pipeline.engine.engine import EngineConfig

    return run_train(
        TrainConfig(
            recipe=place_text(recipe),
            data=place_text(data),
            out=place_text(out),
            start=None if start is None else place_text(start),
            overrides=overrides,
            include=include,
            exclude=exclude,
            preview=preview,
            engine=EngineConfig(engine, workers, ray_address, gpus_per_actor),
            quiet=quiet,
            storage_options=storage_options,
        )
    )
