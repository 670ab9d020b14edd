"""The block autoencoder: gray blocks of 16 x 16 through ReLU and sigmoid networks at 4:1, 8:1 and 16:1, beside PCA."""

from tilepress.jobs.reproduction.table import Column, Curves, Pictures, Published, Row, Section, Table, TrainedModel
from tilepress.jobs.reproduction.tables.sets import PHOTOS_TRAIN, STANDARD

_IMAGES = ("lena", "baboon", "cameraman", "peppers", "boats")
_PUBLISHED = {  # dB, of _IMAGES
    (4, "ReLU"): (30.48, 23.70, 28.02, 28.40, 26.68),
    (4, "sigmoid"): (27.30, 23.95, 27.07, 28.46, 26.13),
    (8, "ReLU"): (26.20, 22.56, 24.47, 24.02, 26.31),
    (8, "sigmoid"): (24.37, 20.59, 23.24, 25.54, 24.54),
    (16, "ReLU"): (25.19, 21.25, 24.54, 23.25, 24.11),
    (16, "sigmoid"): (22.78, 20.06, 21.53, 22.70, 22.44),
}
_TARGETS = {4: 0.0019, 8: 0.0039, 16: 0.0}  # MSE whose epochs are counted
_EPOCHS, _BLOCKS, _BATCH = 60, 40_000, 128
_BATCHES = _BLOCKS / _BATCH  # of an epoch
_STEPS = "[64.0,40.0,24.0,16.0,8.0,4.0]"  # of quantisation
_COARSE = {4: 75, 8: 75, 16: 60}  # quality of a level that costs at most 0.2 dB: steps of 8, 8 and 16
_SHAPE = ("colour=gray", f"quantisation_steps={_STEPS}", "export_tiles=30")
_TRAINING = (
    *("init=random", "rate=0.0", "crop=16", f"batch_size={_BATCH}", "lr=1e-3", "ema=0.999"),
    *(f"steps={_EPOCHS * _BATCHES:.0f}", f"validate_every={_BATCHES:.0f}", f"checkpoint_every={10 * _BATCHES:.0f}"),
)


def _models() -> tuple[TrainedModel, ...]:
    """Two networks and the components of each ratio."""
    made = []
    for ratio in _TARGETS:
        for name in ("relu", "sigmoid"):
            own = (*_SHAPE, *_TRAINING, f"ratio={ratio}", f"activation={name}")
            made.append(TrainedModel(f"{name}-{ratio}", "block-dnn", "photos/train", own))
        made.append(TrainedModel(f"pca-{ratio}", "pca", "photos/train", (*_SHAPE, f"ratio={ratio}")))
    return tuple(made)


def _section(ratio: int) -> Section:
    columns = (
        Column("mean, dB", "psnr"),
        *(Column(name.title(), "psnr", (name,)) for name in _IMAGES),
        Column("bits a pixel", "bpp"),
    )
    published = tuple(
        Published(name, (sum(figures) / len(figures), *figures, None), name)
        for (of, name), figures in _PUBLISHED.items()
        if of == ratio
    )
    names = {"ReLU": "relu", "sigmoid": "sigmoid", f"PCA, K = {256 // ratio}": "pca"}
    made = [
        row
        for name, model in names.items()
        for row in (
            Row(name, f"trained:{model}-{ratio}", quality=100),
            Row(f"{name}, coarser", f"trained:{model}-{ratio}", quality=_COARSE[ratio]),
        )
    ]
    coarse = "ReLU, coarser"
    classical = (
        Row("JPEG in as many bytes", "jpeg", like=coarse, kind="classical"),
        Row("JPEG 2000 in as many bytes", "jpeg2000", like=coarse, kind="classical"),
    )
    title = f"Neuron ratio {ratio}:1 (N = 256, K = {256 // ratio})"
    return Section(title, Pictures("standard", "gray 512", _IMAGES), columns, (*made, *classical), published)


TABLE = Table(
    name="block-dnn",
    title="The block autoencoder",
    article="The tables of fully connected autoencoders over blocks of 16 x 16, with ReLU and sigmoid neurons.",
    data=(PHOTOS_TRAIN, STANDARD),
    bytes_counted=(
        "the stream of quantised and entropy-coded latents. The published ratio counts neurons, not bytes. Of each "
        "network there is the finest level, and a coarser one that costs at most 0.2 dB; JPEG and JPEG 2000 have at "
        "most the bytes of the coarser ReLU row, image by image."
    ),
    protocol=(
        "Gray images of 512 x 512, the small one enlarged (bicubic), of which none was learned from. Networks begin "
        f"with random orthogonal weights and learn the squared error alone, by Adam, from {_EPOCHS} times "
        f"{_BLOCKS:,} random blocks, mirrored and turned; PCA is computed from the same photographs."
    ),
    models=_models(),
    sections=tuple(_section(ratio) for ratio in _TARGETS),
    curves=tuple(
        Curves(f"Error over training, {ratio}:1", (f"relu-{ratio}", f"sigmoid-{ratio}"), target, _BATCHES)
        for ratio, target in _TARGETS.items()
    ),
    remarks=(
        "Baboon's published figures of ReLU at 8:1 and 16:1 are missed by PCA, too, the best linear code of as many "
        "coefficients that these photographs give.",
        "Published epochs until an error were counted on another data set and from another start: they do not compare.",
    ),
)
