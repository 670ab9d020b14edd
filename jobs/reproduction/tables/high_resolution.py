"""High-resolution photographs at 16:1: convolutional autoencoders beside JPEG and JPEG 2000."""

from tilepress.jobs.reproduction.table import Column, Pictures, Published, Section, Table
from tilepress.jobs.reproduction.tables.rows import autoencoders_at, classical_at
from tilepress.jobs.reproduction.tables.sets import PHOTOS_EVAL

RATIO = 16

TABLE = Table(
    name="high-resolution",
    title="High-resolution photographs at 16:1",
    article="The table of convolutional, recurrent and adversarial autoencoders on high-resolution photographs.",
    data=(PHOTOS_EVAL,),
    bytes_counted=(
        "all that decoding takes but the model: stream, seal, and what is tuned to a picture. Of each picture the "
        "finest level is taken whose bytes are at most a sixteenth of those of its samples (1.5 bits a pixel); of the "
        "classical codecs the best quality within the same bytes."
    ),
    protocol=(
        "Each picture is one tile of 512 x 512 in RGB. PSNR is of all samples of a picture, then the mean; SSIM and "
        "MS-SSIM are means over planes, windows of 11 x 11 pixels. Texture: Frechet distance of the log energies "
        "of luma's DCT coefficients, 0 for equal statistics (pipeline/quality/texture.py)."
    ),
    remarks=(
        "The article's photographs are not at hand, and harder than these: its JPEG has 4 dB less at the same ratio. "
        "The differences to JPEG compare better than the figures.",
        "Published SSIM is of another definition: that of JPEG, at 33.2 dB, is above that of JPEG here, which has more "
        "decibels. MS-SSIM comes nearer to it.",
    ),
    sections=(
        Section(
            title="16:1, everything counted",
            pictures=Pictures("photos/eval", "rgb"),
            columns=(
                Column("PSNR, dB", "psnr"),
                Column("SSIM", "ssim"),
                Column("MS-SSIM", "ms_ssim"),
                Column("texture", "texture"),
                Column("bits a pixel", "bpp"),
                Column("of which tuned", "side_bpp"),
            ),
            published=(
                Published("JPEG-2000", (36.1, 0.993, None, None, None, None), "JPEG 2000"),
                Published("CNN-AE-FT", (33.9, 0.99, None, None, None, None), "`cnn-ae-ft`"),
                Published("GAN-AE", (32.53, 0.987, None, None, None, None), "`gan-ae`"),
                Published("JPEG", (33.2, 0.986, None, None, None, None), "`jpeg`"),
                Published("CNN-RNN-AE", (30.2, 0.972, None, None, None, None), "`cnn-rnn-ae`"),
                Published("CNN-AE", (28.9, 0.968, None, None, None, None), "`cnn-ae`"),
            ),
            anchor="JPEG",
            rows=(*autoencoders_at(RATIO), *classical_at(RATIO)),
        ),
    ),
)
