"""What `scripts/test-windows` needs besides Debian's packages: a Python for Windows, and a small DLL."""
