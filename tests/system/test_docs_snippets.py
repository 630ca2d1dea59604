"""Every block of code in the pages is run, or says why not; CONTRIBUTING.md has the rules.

One napari and one ImageJ serve all pages, on ports that are put in the place of those that stand
there; a page that ends one has the next page start another.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from docs.snippets import PYTHON, SHELL, find_blocks
from markdown_it import MarkdownIt

from coverslip.transport import Clear, Done, list_connections, request, stop
from tests.conftest import RUNTIME_VARIABLE, free_pair
from tests.system.commandlines import commands, complaint, syntax_error
from tests.system.program import coverslip
from tests.system.test_docs import ROOT
from tests.viewers.contract.on_fiji import IMAGEJ
from tests.waiting import DEADLINE

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "packages/*/*.md", "examples/*/*.md")
    for page in ROOT.glob(pattern)
)
RUN_BY_THE_BUILD = {ROOT / "docs" / "tutorial.md"}
"""Pages that docs/pictures.py runs, as `hatch run docs` does, with the very same code."""

PATIENCE = 150


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_of(page: Path) -> str:
    return "".join(block.before + block.what_is_run for block in find_blocks(page) if block.runs)


def pages_to_run() -> list[Path]:
    """Return the pages with code to run; one that stops what others use is the last."""
    found = [page for page in PAGES if page not in RUN_BY_THE_BUILD and code_of(page)]
    return sorted(found, key=lambda page: "coverslip stop" in code_of(page))


WITH_EXAMPLES = sorted(
    path.relative_to(ROOT)
    for path in ROOT.glob("packages/*/src/**/*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

EXAMPLES = """
import doctest, importlib, sys
tried = doctest.testmod(importlib.import_module(sys.argv[1]))
sys.exit(0 if tried.attempted and not tried.failed else 1)
"""


# Rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_block_says_its_language(page: Path) -> None:
    """What is indented, or fenced without a name, would be run by nobody without a word."""
    known = PYTHON | SHELL | {"toml", "text"}
    assert [str(block) for block in find_blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_not_run_could_be(page: Path) -> None:
    for block in find_blocks(page):
        if block.language in PYTHON:
            compile(block.code, str(block), "exec")
        elif block.language == "toml":
            tomllib.loads(block.code)
        elif block.language in SHELL:
            assert syntax_error(block.code) == "", block
            assert [
                problem for words in commands(block.code) if (problem := complaint(words))
            ] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_the_text_exist(page: Path) -> None:
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    inline = [child for token in tokens for child in token.children or ()]
    quoted = [child.content for child in inline if child.type == "code_inline"]
    lines = [
        text for text in quoted if text.startswith(("coverslip ", "hatch run ", "pip install "))
    ]
    wrong = [problem for line in lines for words in commands(line) if (problem := complaint(words))]
    # Prose names an option without its value.
    assert [problem for problem in wrong if "requires an argument" not in problem] == []


@pytest.mark.parametrize(
    "line",
    [
        "coverslip lisst",
        "coverslip view plate --colour red",
        "x && hatch run tests",
        "ssh a coverslip stop --al",
        "pip install 'coverslip-viewers[qt]'",
    ],
)
def test_a_wrong_command_would_be_found(line: str) -> None:
    assert [problem for words in commands(line) if (problem := complaint(words))] != []


def test_the_build_runs_the_others() -> None:
    scripts = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))["envs"]["default"]
    assert "python docs/pictures.py" in scripts["scripts"]["docs"]
    assert "docs" in scripts["scripts"]["test"]
    pictures = (ROOT / "docs" / "pictures.py").read_text(encoding="utf-8")
    assert all(f'"{page.name}"' in pictures for page in RUN_BY_THE_BUILD)


def test_a_page_is_held_to_what_it_says(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)   # 3\n```\n")
    done = run_page(page, tmp_path, {})
    assert done.returncode == 1
    assert "promises '3'" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "<!-- not run: -->\n```sh\nx\n```",
        "<!-- not run: for fun -->\n\nText.\n",
        "<!-- not run, y: why -->\n```sh\nx\n```",
    ],
)
def test_a_mark_that_says_nothing_is_refused(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="page"):
        find_blocks(page)


# The pages --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def viewers(display: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """A runtime folder for all pages, and the ports of the napari and the ImageJ in it."""
    folder = tmp_path_factory.mktemp("pages")
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNTIME_VARIABLE, str(runtime))
        patch.setenv("DISPLAY", display)
        patch.setenv("COVERSLIP_FIJI", IMAGEJ)
        patch.setenv("COVERSLIP_STATE_DIR", str(folder / "state"))
        patch.setenv("NAPARI_CONFIG", str(folder / "napari.yaml"))
        patch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.home={folder}")
        yield {"napari": free_pair(), "fiji": free_pair()}
        for connection in list_connections():
            stop(connection)
        assert list_connections() == []


def prepare(kind: str, port: int) -> None:
    """See that a viewer runs, and is empty."""
    for connection in list_connections():
        if connection.endpoint.port == port:
            request(connection.endpoint, Clear(), Done, timeout=DEADLINE)
            return
    # By a process of its own: this one would wait for the viewer's end in a thread.
    started = coverslip("launch", "--viewer", kind, "--port", port)
    assert started.returncode == 0, started.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Where a page is run: a folder with a plate in it, as an ImageXpress names its files."""
    random = np.random.default_rng(7)
    plate = tmp_path / "path" / "to" / "plate"
    plate.mkdir(parents=True)
    for well in ("A01", "B02"):
        for channel in (1, 2):
            pixels = random.integers(100, 4000, (64, 80), np.uint16)
            tifffile.imwrite(plate / f"scan_{well}_s1_w{channel}_z1.tif", pixels)
    (tmp_path / "plate").symlink_to(plate)
    return tmp_path


def run_page(page: Path, folder: Path, ports: dict[int, int]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-W", "error", ROOT / "docs" / "snippets.py", page),
            *(f"{theirs}={ours}" for theirs, ours in ports.items()),
        ],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.gui
@pytest.mark.allow_leak("processes", reason="viewers serve all pages, and end with the last")
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_the_references_examples_run(path: Path, viewers: dict[str, int], tmp_path: Path) -> None:
    prepare("napari", viewers["napari"])
    module = ".".join(path.with_suffix("").parts[3:])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLES, module],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.gui
@pytest.mark.allow_leak("processes", reason="viewers serve all pages, and end with the last")
@pytest.mark.parametrize("page", pages_to_run(), ids=name)
def test_it_runs_as_it_stands(page: Path, viewers: dict[str, int], desk: Path) -> None:
    prepare("napari", viewers["napari"])
    if "fiji" in code_of(page):
        prepare("fiji", viewers["fiji"])
    napari, fiji = viewers["napari"], viewers["fiji"]
    ports = {5555: napari, 6555: napari + 1000, 5600: napari, 5556: fiji, 5570: free_pair()}
    done = run_page(page, desk, ports)
    assert done.returncode == 0, done.stderr
    # A warning is an error; one in a thread, or at the end, is told here alone.
    assert "Traceback" not in done.stderr, done.stderr
    assert "Warning" not in done.stderr, done.stderr
