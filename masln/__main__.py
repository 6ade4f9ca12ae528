"""``python -m masln`` is the ``masln`` command."""

from masln.cli import main

if __name__ == "__main__":
    main()
