"""Chunk codecs of WIM resources, behind one interface: stored bytes and plain size in, plain bytes out."""
