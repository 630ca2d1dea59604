"""A pipeline on one machine, the viewer on another: what is sent arrives, and what not is counted.

How fast, the benchmark says (``python -m benchmarks network``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
import tifffile

from coverslip.transport import Endpoint
from tests.network import tunnels
from tests.network.conftest import DEADLINE, Remote, read_line_of
from tests.network.links import HERE, THERE, Link
from tests.network.pipeline import plate_files
from tests.waiting import eventually

OUTAGE = 5.0
PLATE = "imagexpress-2wells-4channels"


def settled(counts: Mapping[str, int]) -> int:
    return counts["shown"] + counts["dropped"] + counts["failed"]


def processes_below(process: subprocess.Popen[str]) -> psutil.Process:
    """Return the program itself, which `ip` and `unshare` run as their child, or are."""
    found = psutil.Process(process.pid)
    while children := found.children():
        (found,) = children
    return found


class TestPixels:
    def test_a_real_plate_travels_compressed_and_arrives_bit_by_bit(
        self, remote: Remote, plates: Path
    ) -> None:
        plate = plates / PLATE
        files = plate_files(plate)
        remote.ask("open", remote.line)
        # The link is measured while it is what is waited for, so some go as they are.
        for _ in range(20):
            remote.ask("show", str(plate), 3 * len(files))
            assert remote.ask("flush", DEADLINE)["failed"] == 0
            if remote.ask("counts")["compressed"] >= 2 * len(files):
                break
        counts = remote.ask("counts")
        assert counts["compressed"] >= 2 * len(files)
        remote.ask("show", str(plate), len(files))
        counts = remote.ask("flush", DEADLINE)
        assert counts["shown"] == counts["sent"]
        assert remote.ask("checksums") == {
            str(number): zlib.crc32(tifffile.imread(path).tobytes())
            for number, path in enumerate(3 * files)
        }
        assert remote.ask("close") == counts

    def test_noise_travels_as_it_is(self, remote: Remote) -> None:
        remote.ask("open", remote.line)
        remote.ask("show", "noise", 100, 1024)
        counts = remote.ask("flush", DEADLINE)
        assert counts == {"sent": 100, "shown": 100, "dropped": 0, "failed": 0}
        assert remote.ask("counts")["compressed"] == 0
        assert remote.ask("report") == {"next": 100, "shown": 100, "dropped": 0, "failed": 0}

    @pytest.mark.parametrize("what", ["noise", "plate"])
    def test_what_is_under_way_lies_within_the_budget(
        self, remote: Remote, plates: Path, what: str
    ) -> None:
        budget = 24 << 20
        remote.ask("open", remote.line, budget)
        source = str(plates / PLATE) if what == "plate" else what
        most = remote.ask("watch", source, 300, 512)["most"]
        assert 0 < most <= budget
        counts = remote.ask("flush", DEADLINE)
        assert counts["sent"] == 300 == settled(counts)


class TestFaults:
    def test_a_link_that_was_cut_and_mended_goes_on_and_the_counts_sum_up(
        self, remote: Remote
    ) -> None:
        remote.ask("open", remote.line)
        remote.ask("show", "noise", 20, 1024)
        assert remote.ask("flush", DEADLINE)["shown"] == 20
        remote.tell("show", "noise", 300, 1024)
        remote.link.cut()
        threading.Event().wait(OUTAGE)  # the fault itself, not a wait for something
        remote.link.restore()
        # No plane held the pipeline for longer than the stream's limit, the cut link's neither.
        assert remote.answer()["longest"] < 5.5
        sent = 320
        before = remote.ask("report")["shown"]
        rounds = 0

        def shown_again() -> bool:
            nonlocal rounds
            rounds += 1
            remote.ask("show", "noise", 5, 64)
            remote.ask("flush", 5)
            return bool(remote.ask("report")["shown"] > before)

        eventually(shown_again, "planes are shown again after the link is back")
        sent += 5 * rounds
        counts = remote.ask("flush", DEADLINE)
        assert counts["sent"] == sent == settled(counts)
        assert counts["dropped"] > 0
        # The viewer was told of the planes that were sent to it and never came.
        report = remote.ask("report")
        assert report["next"] == settled(report)
        assert report["shown"] == counts["shown"]

    def test_a_viewer_that_is_killed_there_and_one_that_takes_its_place(
        self, remote: Remote
    ) -> None:
        remote.ask("open", remote.line)
        remote.ask("show", "noise", 20, 512)
        assert remote.ask("flush", DEADLINE)["shown"] == 20
        remote.tell("show", "noise", 200, 512)
        processes_below(remote.viewer).send_signal(signal.SIGKILL)
        assert remote.answer()["longest"] < 5.5
        eventually(lambda: remote.ask("counts")["state"] != ["live"], "it is noticed")
        # Another viewer has keys of its own: the old line opens nothing.
        remote.viewer.wait(DEADLINE)
        another = read_line_of(remote.start_viewer())
        assert another != remote.line
        remote.ask("show", "noise", 10, 512)
        counts = remote.ask("close", 0.5)
        assert counts["sent"] == 230 == settled(counts)
        assert counts["shown"] >= 20
        assert counts["dropped"] >= 10
        successor = remote.link.here(sys.executable, "-m", "tests.network.pipeline")
        remote.pipeline = successor
        remote.ask("open", another)
        remote.ask("show", "noise", 10, 64)
        assert remote.ask("flush", DEADLINE)["shown"] == 10

    def test_a_pipeline_that_is_killed_here_leaves_the_viewer_to_the_next(
        self, remote: Remote
    ) -> None:
        remote.ask("open", remote.line)
        remote.ask("show", "noise", 20, 512)
        remote.ask("endless", 1024)
        processes_below(remote.pipeline).send_signal(signal.SIGKILL)
        remote.pipeline.wait(DEADLINE)
        remote.pipeline = remote.link.here(sys.executable, "-m", "tests.network.pipeline")
        remote.ask("open", remote.line)
        remote.ask("show", "noise", 10, 64)
        assert remote.ask("flush", DEADLINE) == {
            "sent": 10,
            "shown": 10,
            "dropped": 0,
            "failed": 0,
        }


@pytest.mark.usefixtures("namespaces")
class TestSlowLinks:
    def test_a_plane_that_takes_seconds_is_no_reason_to_hang_up(self, runtime_folder: Path) -> None:
        """A peer is silent after two seconds, and a message of 8 MB takes three seconds here."""
        with Link("20mbit") as link:
            remote = Remote(link)
            remote.ask("open", remote.line)
            remote.ask("show", "noise", 2, 2048)
            assert remote.ask("flush", DEADLINE) == {
                "sent": 2,
                "shown": 2,
                "dropped": 0,
                "failed": 0,
            }

    def test_a_link_of_twenty_milliseconds(self, runtime_folder: Path, plates: Path) -> None:
        with Link(delay=10.0) as link:
            if not link.delayed:
                pytest.skip("this kernel has no netem, which delays packets")
            remote = Remote(link)
            remote.ask("open", remote.line)
            remote.ask("show", str(plates / PLATE), 300)
            counts = remote.ask("flush", DEADLINE)
            assert counts == {"sent": 300, "shown": 300, "dropped": 0, "failed": 0}


class TestTunnel:
    @pytest.mark.parametrize("way", ["-L", "-R"])
    def test_a_viewer_that_only_its_own_machine_reaches_is_reached_through_ssh(
        self, link: Link, runtime_folder: Path, tmp_path: Path, way: str
    ) -> None:
        if reason := tunnels.why_not():
            pytest.skip(reason)
        remote = Remote(link, "127.0.0.1")
        tunnels.forward(link, tmp_path, way)
        end = Endpoint.from_url(remote.line).reached_at("localhost", tunnels.PORT)
        remote.ask("open", end.to_url())
        remote.ask("show", "noise", 50, 512)
        counts = {"sent": 50, "shown": 50, "dropped": 0, "failed": 0}
        assert remote.ask("flush", DEADLINE) == counts
        assert remote.ask("report")["shown"] == 50


@pytest.mark.gui
class TestNapari:
    def test_a_window_launched_there_shows_what_is_sent_from_here(
        self, link: Link, runtime_folder: Path, tmp_path: Path, display: str, plates: Path
    ) -> None:
        pytest.importorskip("napari")
        folder, line = tmp_path / "there", tmp_path / "line"
        program = f"{sys.executable} -m coverslip.viewers"
        # What a user does there; the window goes with the shell, which the link ends.
        link.there(
            "sh",
            "-c",
            f"{program} launch --bind {THERE} --port 5555 && "
            f"{program} connection show 5555 --file {line} && read end",
            env=os.environ | {"DISPLAY": display, "COVERSLIP_RUNTIME_DIR": str(folder)},
        )
        eventually(line.exists, "the line is there", timeout=120)
        picture = tmp_path / "window.png"
        command = (sys.executable, "-m", "coverslip.viewers", "view", str(plates / PLATE))
        process = link.here(
            *(*command, "--json", "--connection", str(line), "--screenshot", str(picture))
        )
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        said = json.loads(out)
        assert said["sent"] == said["shown"] == len(plate_files(plates / PLATE))
        assert picture.read_bytes().startswith(b"\x89PNG")


class TestLine:
    def test_the_line_says_where_others_reach_it(self, remote: Remote) -> None:
        assert f"headless@{THERE}:5555?" in remote.line

    def test_view_streams_a_plate_to_there(
        self, remote: Remote, plates: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "line"
        file.touch(0o600)
        file.write_text(remote.line)
        command = (sys.executable, "-m", "coverslip.viewers", "view", str(plates), "--json")
        process = remote.link.here(*command, "--connection", str(file))
        out, _ = process.communicate(timeout=DEADLINE)
        said = json.loads(out)
        assert process.returncode == 0
        assert said["sent"] == said["shown"] > 100
        assert said["port"] == 5555

    def test_nobody_there_is_said_with_what_to_look_at(self, remote: Remote, plates: Path) -> None:
        nobody = remote.line.replace(THERE, HERE)
        command = (sys.executable, "-m", "coverslip.viewers", "view", str(plates))
        process = remote.link.here(
            *command, env=os.environ | {"COVERSLIP_CONNECTION": nobody}, stderr=subprocess.PIPE
        )
        out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 2
        assert out == ""
        assert "ports 5555 and 6555" in err
        assert "client=" not in err
