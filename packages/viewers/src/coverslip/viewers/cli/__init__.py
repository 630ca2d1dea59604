"""The command line, ``coverslip``: demo, view, list, stop.

Nothing is imported here, so that `coverslip.viewers` stays light; the program is `cli.app`.
"""
