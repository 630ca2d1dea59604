"""A stored picture to a viewer."""

from __future__ import annotations

from coverslip.payload import PayloadError, as_planes, as_source
from coverslip.viewers.errors import UnreadableImage
from coverslip.viewers.plates.stored import StoredImage
from coverslip.viewers.plates.units import calibrated
from coverslip.viewers.view import View

__all__ = ["send_image"]


def send_image(view: View, image: StoredImage) -> None:
    """Read a picture and send its planes, as the view asks for; the rest is as the file says.

    Raises
    ------
    UnreadableImage
        It cannot be read, or is none that a viewer can show. Nothing of it was sent.
    """
    pixels = image.read()
    # Not view.show: a pattern may name a component as one of its parameters is named.
    try:
        planes = as_planes(
            pixels,
            axes=image.axes,
            components=image.components,
            coordinates=image.coordinates,
        )
        sources = [
            as_source(
                modes=look.modes, display=calibrated(look.display, image.display), keep=look.keep
            )
            for look in view.looks
        ]
    except PayloadError as error:
        raise UnreadableImage(f"{image.origin}: {error}") from error
    view.send(sources, planes, rgb="c" in image.axes, origin=image.origin)
