"""Put a root certificate into a Windows PE boot image, and prove that it is there."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
