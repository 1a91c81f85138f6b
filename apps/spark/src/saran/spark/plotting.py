"""How every plot of a card looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLOURS: Final = ("#2f6db3", "#b3b3b3", "#d98c2b", "#5a9e6f", "#8d6cab")
_INCHES: Final = (7.0, 3.2)


def drawing() -> Drawing:
    """An empty one."""
    # It takes a second to import. Without pyplot there is no window system to find, and nothing to close.
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415

    return Drawing(figsize=_INCHES, dpi=130, layout="constrained")


def plain(axes: Axes) -> None:
    """Take away the lines that hold nothing."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
