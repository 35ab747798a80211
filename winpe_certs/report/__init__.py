"""Reports: results in, text or JSON out. Pure."""
