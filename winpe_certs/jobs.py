"""A job object of Windows holds a program with all the programs that it starts, so that all can be ended.

A child whose parent has ended is found in no tree of processes any more, but it is still in the job. The job
ends nobody by being closed: a mount goes on after DISM has ended, and which process serves it is not
documented. Sources: Microsoft, "Job Objects", "Creating a Process in a suspended state", "Tool Help Library".
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import contextlib
    import ctypes
    from ctypes import wintypes
    from typing import Final

    CREATE_SUSPENDED: Final = 0x4
    """The flag for a program that is to run only when it is in its job."""

    _SNAPSHOT_OF_THREADS: Final = 0x4
    _SUSPEND_RESUME: Final = 0x2
    _INVALID_HANDLE: Final = ctypes.c_void_p(-1).value
    _CTRL_BREAK: Final = 1
    _ENDED_BY_FORCE: Final = 1

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    for _name in ("CreateJobObjectW", "OpenThread", "CreateToolhelp32Snapshot"):
        getattr(_kernel32, _name).restype = wintypes.HANDLE
    _kernel32.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    _kernel32.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
    _kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
    _kernel32.ResumeThread.argtypes = [wintypes.HANDLE]

    class _ThreadEntry(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD), ("usage", wintypes.DWORD), ("thread", wintypes.DWORD),
            ("process", wintypes.DWORD), ("base_priority", wintypes.LONG), ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
        ]  # fmt: skip

    _kernel32.Thread32First.argtypes = [wintypes.HANDLE, ctypes.POINTER(_ThreadEntry)]
    _kernel32.Thread32Next.argtypes = [wintypes.HANDLE, ctypes.POINTER(_ThreadEntry)]

    class Job:
        """A job for one program; it is in it from the first moment when started suspended."""

        def __init__(self, handle: int, process: int) -> None:
            """`handle` and `process` are those of a suspended program, which runs from here on."""
            self._job = _kernel32.CreateJobObjectW(None, None)
            try:
                # Where jobs cannot be nested (before Windows 8) the program runs without one.
                self._holds = bool(self._job and _kernel32.AssignProcessToJobObject(self._job, handle))
            finally:
                _resume(process)

        def end(self) -> bool:
            """End every process of the job by force; False when it has none."""
            return self._holds and bool(_kernel32.TerminateJobObject(self._job, _ENDED_BY_FORCE))

        def close(self) -> None:
            """Let go of the job; who is still in it goes on."""
            if self._job:
                _kernel32.CloseHandle(self._job)
                self._job = None

    def ask_to_end(process: int) -> bool:
        """Send Ctrl-Break to the group of a program; False when there is no console to send it by."""
        return bool(_kernel32.GenerateConsoleCtrlEvent(_CTRL_BREAK, process))

    def _resume(process: int) -> None:
        snapshot = _kernel32.CreateToolhelp32Snapshot(_SNAPSHOT_OF_THREADS, 0)
        if snapshot == _INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        with contextlib.ExitStack() as stack:
            stack.callback(_kernel32.CloseHandle, snapshot)
            entry = _ThreadEntry(size=ctypes.sizeof(_ThreadEntry))
            is_there = _kernel32.Thread32First(snapshot, entry)
            while is_there:
                if entry.process == process:
                    thread = _kernel32.OpenThread(_SUSPEND_RESUME, False, entry.thread)
                    if thread:
                        _kernel32.ResumeThread(thread)
                        _kernel32.CloseHandle(thread)
                is_there = _kernel32.Thread32Next(snapshot, entry)
