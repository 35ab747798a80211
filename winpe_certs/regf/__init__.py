"""Registry hives (regf): bytes and edits in, bytes out. Pure; knows nothing of certificates or images."""
