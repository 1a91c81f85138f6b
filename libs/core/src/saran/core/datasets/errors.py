"""The error of specs and of files that do not fit them."""

from saran.core.errors import SaranError


class SpecError(SaranError):
    """A spec is wrong, or its files do not fit it; the message names file, line and field where it can."""
