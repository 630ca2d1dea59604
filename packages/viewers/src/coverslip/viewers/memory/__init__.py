"""What a viewer's planes may take: in memory up to a budget, beyond it in a scratch file on disk.

It is the viewers' and not the payload's, since what stays in memory follows from what is in view.
"""

from coverslip.viewers.memory.budget import default_budget, parse_size, size_argument
from coverslip.viewers.memory.keeper import Memory
from coverslip.viewers.memory.nameless import scratch_folder
from coverslip.viewers.memory.plane import Entry, HeldPlane
from coverslip.viewers.memory.scratch import Scratch

__all__ = [
    "Entry",
    "HeldPlane",
    "Memory",
    "Scratch",
    "default_budget",
    "parse_size",
    "scratch_folder",
    "size_argument",
]
