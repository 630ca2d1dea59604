"""What file names and folders say of a plane: well, site, channel, z, timepoint."""

from coverslip.viewers.parsers.base import FilenameParser, Parsed, well_name
from coverslip.viewers.parsers.choice import choose
from coverslip.viewers.parsers.folder import find_files, list_planes, parse_path
from coverslip.viewers.parsers.listing import Listing, parse_files
from coverslip.viewers.parsers.registry import candidates, get_parser, parser_names, register

__all__ = [
    "FilenameParser",
    "Listing",
    "Parsed",
    "candidates",
    "choose",
    "find_files",
    "get_parser",
    "list_planes",
    "parse_files",
    "parse_path",
    "parser_names",
    "register",
    "well_name",
]
