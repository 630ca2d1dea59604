"""The site's front page is the README: written once, its links turned for where it stands here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[1]
# Links to files that are read in the repository and are no pages here. A picture is never one of
# them: one that is not there fails the build.
_ELSEWHERE = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|docs/|[\w-]+\.md)([^)]+)\)")
_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]+\)")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add pages that stand at the repository's root."""
    for source, page in {
        "README.md": "index.md",
        "CONTRIBUTING.md": "contributing.md",
        "SECURITY.md": "security.md",
    }.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        text = _ELSEWHERE.sub(r"\1", text.replace("](docs/", "]("))
        for name, other in (("CONTRIBUTING.md", "contributing.md"), ("SECURITY.md", "security.md")):
            text = text.replace(f"]({name})", f"]({other})")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name what a page links to outside of this site, without the link."""
    return _OUTSIDE.sub(r"\1", markdown)
