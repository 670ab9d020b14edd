"""`python -m tilepress` is the `tilepress` command."""

from tilepress.jobs.cli.app import main

if __name__ == "__main__":
    main()
