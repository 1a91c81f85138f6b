"""`saran explore`: a report of what the data holds, and a sample of its files."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from saran.cli.console import out, print_json
from saran.core.datasets import open_dataset
from saran.core.datasets.load import load_spec
from saran.core.errors import SaranError
from saran.core.settings import load_settings
from saran.sql.explore import explore_files, explore_tables, sample


def run_explore(dataset: str, *, path: Path | None, sample_to: Path | None, rows: int, as_json: bool) -> None:
    """Make the report, and with `sample_to` the sample. Raises SaranError where there is nothing to look at."""
    settings = load_settings()
    spec = load_spec(dataset or settings.dataset, settings)
    written: dict[str, int] = {}
    if path is None and not dataset and sample_to is None:
        report = explore_tables(settings, f"{spec.title}: tables of silver")
    else:
        opened = open_dataset(spec, settings, data=path)
        files, delimiter = opened.source_files, spec.csv.delimiter
        if not files:
            raise SaranError(f"{opened.folder} has no file of {spec.name}", fix=spec.obtain or "name another folder")
        made_up = " (made up)" if opened.synthetic else ""
        report = explore_files(settings, f"{spec.title}{made_up}: files", files, delimiter)
        if sample_to is not None:
            written = sample(files, sample_to, rows, delimiter)
    if as_json:
        shapes = {one.name: [one.rows, len(one.columns)] for one in report.tables}
        print_json({"report": str(report.file), "tables": shapes, "sample": written})
        return
    for one in report.tables:
        out.print(f"{escape(one.name)}: {one.rows:,} rows × {len(one.columns)} columns, {one.missing:.1%} missing")
    for name, count in written.items():
        out.print(f"sample: {escape(str(sample_to))}/{escape(name)}, {count:,} rows")
    out.print(f"report: {escape(str(report.file))}")
