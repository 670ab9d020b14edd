"""The part of table `cifar` in which latents are stored as they are, 192 bytes an image, as the article's are."""

from tilepress.jobs.reproduction.table import Arrays, Column, Pictures, Published, Row, Section, TrainedModel

BEYOND = "more than 192 bytes of an unseen image can carry, so it is of other bytes or of images that were learned"
PICTURES = Pictures("cifar10", "stacks", arrays=Arrays("cifar10_lossless_test_part.npz", 1_000))
COLUMNS = (Column("PSNR, dB", "psnr"), Column("texture", "texture"), Column("bytes an image", "cell_bytes"))
_TRAINING = Arrays("cifar10_lossless_train_part.npz", 5_397)
_COMMON = ("lr=2e-3", "batch_size=32", "warmup=50", "default_level=0")
_ALONE = ("adversarial=0.0", "distortion_weight=0.0")
_VIEW = "adversarial"
_GAMES = {  # title, distortion, game, and a weight of the critic that costs a view about half a dB
    "l2-wasserstein": ("L2, Wasserstein", "l2", "wasserstein", 150.0),
    "l2-dcgan": ("L2, DCGAN", "l2", "dcgan", 0.2),
    "l1-wasserstein": ("L1, Wasserstein", "l1", "wasserstein", 600.0),
    "l1-dcgan": ("L1, DCGAN", "l1", "dcgan", 0.7),
}


def _networks(latents: int) -> tuple[str, ...]:
    """Return overrides for slim networks, which begin as `latents` principal components of cells of 4 x 4 pixels."""
    analysis = ["unshuffle 4", *("conv 64 3", "relu") * 2, f"conv {latents} 3"]
    synthesis = [*("conv 64 3", "relu") * 3, "conv 48 3", "shuffle 4"]
    return f"analysis=[{', '.join(analysis)}]", f"synthesis=[{', '.join(synthesis)}]"


_EIGHT = (*_networks(3), "quantisation_steps=[1]")
_FOUR = (*_networks(6), "quantisation_steps=[16]", "bits=4")


def _game(name: str) -> tuple[str, ...]:
    """Return overrides for a second decoder that plays against a critic."""
    _, distortion, kind, weight = _GAMES[name]
    return f"distortion={distortion}", f"game={kind}", f"adversarial={weight}"


def _model(name: str, minutes: int, *overrides: str) -> TrainedModel:
    return TrainedModel(name, "gan-ae-published", "cifar10", (*_COMMON, *overrides, f"minutes={minutes}"), _TRAINING)


MODELS = (
    _model("l2", 8, *_EIGHT, *_ALONE),
    *(_model(name, 4, *_EIGHT, *_game(name)) for name in _GAMES),
    _model("four-bits", 4, *_FOUR, *_game("l2-dcgan")),
)


def _viewed(title: str) -> str:
    return f"{title}, view `{_VIEW}`"


def _rows(title: str, model: str) -> tuple[Row, Row]:
    """Return the row of a model that played against a critic, and that of its view."""
    return Row(title, f"trained:{model}"), Row(_viewed(title), f"trained:{model}", view=_VIEW)


def _titled(name: str) -> str:
    return f"`gan-ae` {_GAMES[name][0]}"


SECTION = Section(
    title="192 bytes an image, latents of fixed bits",
    text=(
        "8 x 8 latents of 3 channels in 8 bits each, or of 6 channels in 4, not entropy-coded. The encoder and both "
        "decoders learn jointly from 5,333 training images: the base by squared error, the view by the distortion "
        "named and against the critic. Each learned for 4 minutes of one core that others used, too, L2 alone for 8. "
        "The networks are slim: those of recipe `gan-ae-published` learn too slowly without a GPU. The last bits of 8 "
        "are worth little: the same bytes hold twice as many latents of 4 bits, and 2.4 dB more."
    ),
    pictures=PICTURES,
    columns=COLUMNS,
    published=(
        Published("GAN-AE L2, Wasserstein", (36.98, None, None), _viewed(_titled("l2-wasserstein")), BEYOND),
        Published("GAN-AE L2, DCGAN", (31.54, None, None), _viewed(_titled("l2-dcgan")), BEYOND),
        Published("GAN-AE L1, Wasserstein", (30.04, None, None), _viewed(_titled("l1-wasserstein"))),
        Published("GAN-AE L1, DCGAN", (28.23, None, None), _viewed(_titled("l1-dcgan"))),
    ),
    rows=(
        Row("`gan-ae` L2 alone", "trained:l2"),
        *(row for name in _GAMES for row in _rows(_titled(name), name)),
        *_rows("`gan-ae` L2, DCGAN, 6 x 4 bits", "four-bits"),
    ),
)
