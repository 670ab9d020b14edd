"""Training: what a worker does step by step, and what is kept of it. The command is jobs/training/train.py."""
