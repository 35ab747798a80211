"""Fuzzing: every parser gets damaged files, and answers with a result or with an error of this program's own.

Started by ``scripts/fuzz``; the test suite replays a part of it.
"""
