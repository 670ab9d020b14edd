"""Training: what a worker does step by step, and what is kept of it. The command is jobs/training/train.py."""

from tilepress.codecs.extras import require_extra

require_extra("train", "training")  # modules of this room import torch when they are imported
