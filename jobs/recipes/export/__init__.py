"""From trained float networks to what a model holds: integers, probability tables, codebooks."""
