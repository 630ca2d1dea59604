"""``python -m coverslip.viewers``: the same as ``coverslip``."""

from coverslip.viewers.cli.app import main

if __name__ == "__main__":
    main()
