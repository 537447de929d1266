"""``python -m experiments`` is ``relu-theory``."""

from experiments.command.cli import main

if __name__ == "__main__":
    main()
