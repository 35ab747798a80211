"""What developers run, on any system that has Python."""
