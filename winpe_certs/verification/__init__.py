"""Verification: what is in a hive, as two readers see it that share no code with the editor or each other."""
