"""Evidence of a change: keeping it, and going by it."""
