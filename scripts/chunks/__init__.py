"""Chunks of every kind through libwim's compressors and both decoders."""
