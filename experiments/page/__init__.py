"""The interactive page: a network drawn and trained in the browser, from one file."""
