"""``python -m experiments`` is ``relu-theory``."""

from experiments.command.first import main

if __name__ == "__main__":
    main()
