"""What file names and folders say of a plane: well, site, channel, z, timepoint."""

from coverslip.viewers.parsers.base import FilenameParser, Parsed
from coverslip.viewers.parsers.folder import Listing, list_planes, parse_path
from coverslip.viewers.parsers.registry import get_parser, parser_names, register

__all__ = [
    "FilenameParser",
    "Listing",
    "Parsed",
    "get_parser",
    "list_planes",
    "parse_path",
    "parser_names",
    "register",
]
