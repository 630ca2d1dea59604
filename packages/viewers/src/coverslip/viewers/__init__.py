"""Show a running pipeline's images live in napari or Fiji, without the pipeline noticing.

The everyday case is `connect` and `View.show`; a pipeline saves its batches to
a `NapariStreamingBackend`. Importing this package imports no GUI.
"""

from __future__ import annotations

from coverslip.payload import Mode
from coverslip.transport import Delivery
from coverslip.viewers.backends import (
    FijiStreamingBackend,
    NapariStreamingBackend,
    StreamingBackend,
    backend_names,
    get_backend,
    register_backend,
)
from coverslip.viewers.config import (
    FijiDimensionMode,
    FijiDisplayConfig,
    FijiLUT,
    FijiStreamingConfig,
    LazyFijiDisplayConfig,
    LazyFijiStreamingConfig,
    LazyNapariDisplayConfig,
    LazyNapariStreamingConfig,
    NapariColormap,
    NapariDimensionMode,
    NapariDisplayConfig,
    NapariStreamingConfig,
    NapariVariableSizeHandling,
    StreamingConfig,
    declare_components,
    scope,
)
from coverslip.viewers.connect import connect
from coverslip.viewers.errors import (
    ConfigError,
    NoDisplay,
    NoParserMatches,
    NoStream,
    NotInstalled,
    StreamClosed,
    UnknownBackend,
    UnknownParser,
    UnknownViewer,
    UnreadableImage,
    ViewerError,
    ViewerGone,
    ViewerRefused,
)
from coverslip.viewers.fiji import FijiStreamVisualizer
from coverslip.viewers.given import current_stream
from coverslip.viewers.kinds import viewer_kinds, visualizer_class
from coverslip.viewers.messages import LayerInfo, PlaneInfo
from coverslip.viewers.napari import NapariStreamVisualizer
from coverslip.viewers.rois import write_rois
from coverslip.viewers.stream import Statistics, Stream
from coverslip.viewers.view import View
from coverslip.viewers.visualizer import StreamVisualizer

__all__ = [
    "ConfigError",
    "Delivery",
    "FijiDimensionMode",
    "FijiDisplayConfig",
    "FijiLUT",
    "FijiStreamVisualizer",
    "FijiStreamingBackend",
    "FijiStreamingConfig",
    "LayerInfo",
    "LazyFijiDisplayConfig",
    "LazyFijiStreamingConfig",
    "LazyNapariDisplayConfig",
    "LazyNapariStreamingConfig",
    "Mode",
    "NapariColormap",
    "NapariDimensionMode",
    "NapariDisplayConfig",
    "NapariStreamVisualizer",
    "NapariStreamingBackend",
    "NapariStreamingConfig",
    "NapariVariableSizeHandling",
    "NoDisplay",
    "NoParserMatches",
    "NoStream",
    "NotInstalled",
    "PlaneInfo",
    "Statistics",
    "Stream",
    "StreamClosed",
    "StreamVisualizer",
    "StreamingBackend",
    "StreamingConfig",
    "UnknownBackend",
    "UnknownParser",
    "UnknownViewer",
    "UnreadableImage",
    "View",
    "ViewerError",
    "ViewerGone",
    "ViewerRefused",
    "backend_names",
    "connect",
    "current_stream",
    "declare_components",
    "get_backend",
    "register_backend",
    "scope",
    "viewer_kinds",
    "visualizer_class",
    "write_rois",
]
