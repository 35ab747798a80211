"""WIM files: read on demand, patched by appending. Knows nothing of certificates or hives."""
