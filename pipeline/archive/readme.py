"""What stands in README.txt of every archive, for someone who finds it without this program."""

README_TEXT = """\
This folder is a tilepress archive, format 1 ("tilepress-archive-1"): images, stored so that they come back exactly
(but for those whose column `fidelity` says "lossy", or "max-error-N": every sample within N levels).
Do not edit, rename or delete anything in it; copy it whole.

archive.json                    format and identity
models/HASH/                    learned models that stored images need
runs/0001/plan.parquet          the files of the first compression, and its settings; run.json says the same to people
runs/0001/parts/00000.parquet   the images: one row an image, then one a tile, or one a piece of a large file
runs/0001/index.parquet         where in the parts each image is
runs/0001/manifest.parquet      which parts belong to the run; there once it was complete
runs/0002/ ...                  files added or changed later; the newest run that holds a path counts

With tilepress (open source; FORMAT.md in its repository specifies every byte):

    tilepress verify FOLDER         reads and checks everything
    tilepress restore FOLDER DEST   brings the files back

Without it, any Parquet reader (DuckDB, pandas) shows paths, sizes, formats and hashes. Column `method` says how an
image is held:

    file, file-zstd   its own bytes, in `payload` (and the rows of kind "piece", in order), plain or as Zstandard frames
    jpeg              a JPEG file as JPEG XL: without its first 11 bytes `payload` is a .jxl file, and `djxl` makes the
                      JPEG again byte for byte
    tiles             pixels, as rows of kind "tile" at x, y: where `codec` is "png" or "jpegxl", `latents` without its
                      first 7 bytes is a .png or .jxl file
"""
