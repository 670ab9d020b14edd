"""The data sets of the tables: what they hold, and where people usually get them."""

from tilepress.jobs.reproduction.table import DataSet

STANDARD = DataSet(
    "standard",
    "five test images as lossless files: lena, baboon, peppers, boats (512 x 512) and cameraman (256 x 256)",
    "the USC-SIPI image database, https://sipi.usc.edu/database",
)
PHOTOS_TRAIN = DataSet(
    "photos/train",
    "lossless photographs to learn from, CID22's training part",
    "CID22, https://cloudinary.com/labs/cid22",
)
PHOTOS_EVAL = DataSet(
    "photos/eval",
    "lossless photographs to measure, of which none was learned from, CID22's other part",
    "CID22, https://cloudinary.com/labs/cid22",
)
MNIST = DataSet(
    "mnist",
    "handwritten digits, train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz",
    "https://yann.lecun.com/exdb/mnist",
)
CIFAR10 = DataSet(
    "cifar10",
    "32 x 32 RGB images, cifar10_lossless_train_part.npz and cifar10_lossless_test_part.npz",
    "https://www.cs.toronto.edu/~kriz/cifar.html (tilepress takes .npz and CIFAR's own .bin)",
)
LIVE1 = DataSet(
    "live1",
    "the 29 colour images of LIVE1 as lossless files",
    "the LIVE image quality database, https://live.ece.utexas.edu/research/quality",
)
CLASSIC5 = DataSet(
    "classic5",
    "five gray images as lossless files: baboon, barbara, boats, lena, peppers",
    "the test sets of ARCNN, http://mmlab.ie.cuhk.edu.hk/projects/ARCNN.html",
)
