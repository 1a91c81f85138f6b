"""`python -m saran.cli` is `saran`."""

from saran.cli.main import main

if __name__ == "__main__":
    main()
