"""`python -m controller` is the command `ptd`."""

from controller.cli.main import main

if __name__ == "__main__":
    main(prog_name="ptd")
