"""Verbs that look after an archive: what is unfinished, damaged, forgotten or older is put right or given back."""
