"""``python -m experiments`` is ``relu-theory``."""

from experiments.cli import main

if __name__ == "__main__":
    main()
