"""The only package that writes files. It knows two safe shapes for what people keep.

*Beside and rename* (`new`): a new file next to the target, synced, checked, then renamed over it.
*Append and commit* (`locked`): bytes after the end of a file, synced, checked; then one write of its first
bytes. Until the rename or that one write the target is what it was; an error before it leaves nothing.
"""
