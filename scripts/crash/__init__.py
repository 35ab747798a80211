"""The crash matrix: what `inject` leaves behind when it is ended at any moment, in any way.

`record` takes down what a run does to its files as the kernel sees it; `states` works out what a disk may
hold after a power failure in the middle of that; `judge` says of each state whether it is the old image or
the new one; `aftermath` runs the command again. `kill`, `faults` and `full_disk` end runs for real: by
signals, by errors at each system call that writes, for lack of room.
"""
