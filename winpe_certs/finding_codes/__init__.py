"""What each code of a finding or an error means: the one place that knows all of them.

`registry` puts them together. Options, the command ``explain`` and docs/findings.md are derived from it.
"""
