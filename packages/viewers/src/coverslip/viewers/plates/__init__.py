"""Plates on disk: TIFF files and OME-Zarr, picture by picture; folders that still grow."""
