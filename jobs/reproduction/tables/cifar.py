"""CIFAR-10 at 16:1: convolutional, recurrent and adversarial autoencoders on images of 32 x 32."""

from tilepress.jobs.reproduction.table import Published, Section, Table
from tilepress.jobs.reproduction.tables.cifar_fixed import BEYOND, COLUMNS, MODELS, PICTURES, SECTION
from tilepress.jobs.reproduction.tables.rows import autoencoders_at, classical_at
from tilepress.jobs.reproduction.tables.sets import CIFAR10

RATIO = 16
_NO_FILE = "a JPEG file of such an image has more bytes of headers than 192: the figure counts coefficients alone"

TABLE = Table(
    name="cifar",
    title="CIFAR-10 at 16:1",
    article="The table of convolutional, recurrent and adversarial autoencoders on CIFAR-10: 192 bytes an image.",
    data=(CIFAR10,),
    bytes_counted=(
        "the streams of 1,000 test images in stacks of 25 x 20, as archives keep small images, seals included: at most "
        "a sixteenth of their samples, 192 bytes an image. Image by image every codec would pay its headers anew."
    ),
    protocol=(
        "PSNR is of all samples of a stack, then the mean. Codecs of the first rows learned from photographs, not from "
        "these images."
    ),
    remarks=(
        "What 192 bytes can carry of an unseen image (`python infra/bench/learned/cifar_bound.py cifar10`): the "
        "Karhunen-Loeve transform of whole images gives 24.3 dB with 192 coefficients of 8 bits, 26.9 dB with the same "
        "1,536 bits where they are worth most. No code has more than 30.2 dB on Gaussian coefficients of these "
        "variances. JPEG 2000 has 20.0 dB, 27.2 dB if its headers are free, and takes 971 bytes for 43.6 dB, 650 for "
        "36.98 dB.",
    ),
    models=MODELS,
    sections=(
        Section(
            title="192 bytes an image, entropy-coded",
            pictures=PICTURES,
            columns=COLUMNS,
            published=(
                Published("JPEG-2000", (43.6, None, None), "JPEG 2000", BEYOND),
                Published("CNN-RNN-AE", (31.4, None, None), "`cnn-rnn-ae`", BEYOND),
                Published("GAN Wasserstein", (30.96, None, None), "", BEYOND),
                Published("CNN-AE", (30.6, None, None), "`cnn-ae`", BEYOND),
                Published("GAN DCGAN", (30.45, None, None), "", BEYOND),
                Published("JPEG", (28.24, None, None), "`jpeg`", _NO_FILE),
            ),
            rows=(*autoencoders_at(RATIO), *classical_at(RATIO)),
        ),
        SECTION,
    ),
)
