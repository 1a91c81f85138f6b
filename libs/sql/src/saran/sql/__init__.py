"""SQL over the lakehouse's Delta tables: `Engine` asks, and changes nothing."""

from __future__ import annotations

from saran.sql.engine import Answer, Engine, Limits

__all__ = ["Answer", "Engine", "Limits"]
