"""How a pipeline says where its planes go and how they are drawn: frozen, checked, inherited.

`NapariStreamingConfig` and `FijiStreamingConfig` have every field; their Lazy forms inherit what
they leave unset from the step, the pipeline and the process (`scope`, ``coverslip.toml``,
``COVERSLIP_…``). `declare_components` adds mode fields for a pipeline's own components. Importing
this imports neither napari nor ImageJ.
"""

from __future__ import annotations

from coverslip.viewers.config.base import Config
from coverslip.viewers.config.colormaps import FijiLUT, NapariColormap
from coverslip.viewers.config.components import ComponentConfigs, declare_components
from coverslip.viewers.config.display import (
    DisplayConfig,
    FijiDimensionMode,
    FijiDisplayConfig,
    NapariDimensionMode,
    NapariDisplayConfig,
    NapariVariableSizeHandling,
)
from coverslip.viewers.config.lazy import (
    Lazy,
    LazyFijiDisplayConfig,
    LazyFijiStreamingConfig,
    LazyNapariDisplayConfig,
    LazyNapariStreamingConfig,
    Origin,
)
from coverslip.viewers.config.scope import scope
from coverslip.viewers.config.streaming import (
    FijiStreamingConfig,
    NapariStreamingConfig,
    StreamingConfig,
)

__all__ = [
    "ComponentConfigs",
    "Config",
    "DisplayConfig",
    "FijiDimensionMode",
    "FijiDisplayConfig",
    "FijiLUT",
    "FijiStreamingConfig",
    "Lazy",
    "LazyFijiDisplayConfig",
    "LazyFijiStreamingConfig",
    "LazyNapariDisplayConfig",
    "LazyNapariStreamingConfig",
    "NapariColormap",
    "NapariDimensionMode",
    "NapariDisplayConfig",
    "NapariStreamingConfig",
    "NapariVariableSizeHandling",
    "Origin",
    "StreamingConfig",
    "declare_components",
    "scope",
]
