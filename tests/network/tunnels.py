"""ssh between the two machines: a daemon and keys of the test's own, nothing of the user's."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.network.links import HERE, THERE, Link

__all__ = ["PORT", "forward", "why_not"]

PORT = 7555
"""The tunnel's end, beside the pipeline; that of the control port is 1000 above."""

_SSHD_PORT = 2222
_SSHD = Path("/usr/sbin/sshd")  # which wants to be called by its whole path

Run = Callable[..., subprocess.Popen[str]]


def why_not() -> str | None:
    """Return why there is no ssh here, None where there is."""
    missing = [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
    if not _SSHD.exists():
        missing.append("sshd")
    return f"{', '.join(missing)} missing: apt-get install openssh-server" if missing else None


def forward(link: Link, folder: Path, way: str) -> None:
    """Bring both ports of a viewer that is bound to its own loopback to the pipeline's loopback.

    Parameters
    ----------
    link : Link
        Between the machines; what runs ends with it.
    folder : Path
        For keys; of this test alone.
    way : {"-L", "-R"}
        Whether ssh is called where the pipeline is, or where the viewer is.
    """
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    client, daemon, address = (
        (link.here, link.there, THERE) if way == "-L" else (link.there, link.here, HERE)
    )
    _serve(daemon, folder)
    known = folder / "known_hosts"
    known.write_text(f"[{address}]:{_SSHD_PORT} {(folder / 'host.pub').read_text()}")
    options = {
        "IdentitiesOnly": "yes",
        "IdentityFile": folder / "user",
        "UserKnownHostsFile": known,
        "StrictHostKeyChecking": "yes",
        "ExitOnForwardFailure": "yes",
        "ConnectionAttempts": 30,  # a second apart: the daemon may not listen yet
    }
    client(
        *("ssh", "-F", "none", "-N", "-p", str(_SSHD_PORT)),
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
        *(way, f"{PORT}:localhost:5555", way, f"{PORT + 1000}:localhost:6555"),
        f"{getpass.getuser()}@{address}",
    )


def _serve(run: Run, folder: Path) -> None:
    config = folder / "sshd_config"
    config.write_text(
        f"Port {_SSHD_PORT}\n"
        f"HostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/user.pub\n"
        "AuthenticationMethods publickey\n"
        "PermitRootLogin prohibit-password\n"
        "StrictModes no\n"  # the folder lies below one that others may write to
        "UsePAM no\n"
        "PidFile none\n"
    )
    # An empty folder that sshd locks itself into; where none ever ran, nobody has made it yet.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    run(str(_SSHD), "-D", "-q", "-f", str(config))
