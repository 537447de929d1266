"""The theorems of this room, one per file."""
