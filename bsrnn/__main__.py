"""`bsrnn`, and `python -m bsrnn`: the command line, whose imports take a moment in which it can be interrupted, too."""

import sys


def main() -> int:
    """Run the command of the process's arguments; its exit code."""
    try:
        from bsrnn import cli
    except KeyboardInterrupt:
        print("bsrnn: interrupted; nothing was begun", file=sys.stderr)
        return 130
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
