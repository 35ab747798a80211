"""Certificates: from a file to the Blob and the registry keys that Windows keeps them in. Pure."""
