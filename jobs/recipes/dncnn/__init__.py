"""How `jpeg-dncnn`, which restores JPEG, is trained."""
