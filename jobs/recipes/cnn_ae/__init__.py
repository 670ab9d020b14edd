"""How `cnn-ae` is trained."""
