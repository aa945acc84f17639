"""Public data sets and images: download, checksums and readers."""
