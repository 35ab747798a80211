"""The command line: parse, call one workflow, render, exit. The only layer that prints."""
