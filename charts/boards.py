"""What is on Grafana's dashboards, as data: `charts.dashboards` builds them.

In an expression `{@` stands for a brace and the matcher of the chosen namespace. Alerts and boards share the recorded
figures of `saran/files/rules`.
"""

from __future__ import annotations

from typing import Final

from charts.boards_platform import LAG, PLATFORM, STREAMS
from charts.boards_product import BUSINESS, MODEL, SERVING

BOARDS: Final = {board.name: board for board in (LAG, STREAMS, SERVING, MODEL, BUSINESS, PLATFORM)}
"""By name."""
