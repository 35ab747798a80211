"""Evidence of a change: what an image was, what it is now, and the way back."""
