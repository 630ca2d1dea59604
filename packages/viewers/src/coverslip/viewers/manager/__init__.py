"""The window that a microscopist keeps open: every viewer, its state, its counts, its log.

Needs PyQt6 and superqt (the extra ``manager``). What is known of the viewers is gathered by
`coverslip.viewers.roster`, which ``coverslip list`` asks too; everything that may wait runs in
`jobs`, off the GUI thread.
"""
