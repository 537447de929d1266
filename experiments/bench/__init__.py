"""`relu-theory bench`: performance comparisons, each in a process of its own."""
