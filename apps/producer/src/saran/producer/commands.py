"""The producer's commands of `saran`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)

_Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


class StandIn(StrEnum):
    """Data sets that `synthesise` can make a stand-in of."""

    RETAILROCKET = "retailrocket"
    AMAZON = "amazon"
    MOVIES = "movies"


class Via(StrEnum):
    """The way simulated events take."""

    KAFKA = "kafka"
    API = "api"


@app.command()
def load(
    dataset: Annotated[
        str | None, typer.Argument(help="Name of a data set, or path of a spec. Default: SARAN_DATASET.")
    ] = None,
    path: Annotated[Path | None, typer.Option(help="Folder of its files, when they are not bundled.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Events a second at most.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows at most; how many events to make where they are simulated.")
    ] = None,
    from_batch: Annotated[int, typer.Option(min=1, help="First micro-batch of 10,000 rows.")] = 1,
    to_batch: Annotated[int | None, typer.Option(min=1, help="Last micro-batch.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on after the last row that Kafka acknowledged.")] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds without any acknowledgement before giving up.")] = 60,
    metrics_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Serve Prometheus metrics here.")] = None,
    json_output: _Json = False,
) -> None:
    """Send a data set into Kafka: its catalogue first, then its events.

    The same file gives the same event ids, so sending it twice stores nothing twice.

    Example: `saran load retailrocket --path ~/retailrocket --from-batch 1 --to-batch 50`
    """
    from saran.core.settings import load_settings
    from saran.producer.load import load as run
    from saran.producer.options import LoadOptions
    from saran.producer.terminal import load_progress, logging_to, show_load

    settings = load_settings()
    with logging_to(settings, "load"), load_progress() as progress:
        options = LoadOptions(
            data=path,
            rate=rate,
            limit=limit,
            from_batch=from_batch,
            to_batch=to_batch,
            resume=resume,
            patience=patience,
            metrics_port=metrics_port,
        )
        summary = run(dataset or settings.dataset, settings, options, progress)
    show_load(summary, as_json=json_output)


@app.command()
def upload(
    dataset: Annotated[str, typer.Argument(help="Name of the data set: movies, retailrocket, amazon, or your own.")],
    path: Annotated[Path, typer.Option(help="Folder of its CSV files, and of posters/ where it has them.")],
    json_output: _Json = False,
) -> None:
    """Put a data set's own files into the object store (bucket `movies`), posters readable by anybody.

    What is there with the same content is not sent again, so an upload that was stopped goes on. The store is
    SARAN_S3__ENDPOINT with the credentials of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

    Example: `saran upload movies --path ~/movies`
    """
    from saran.core.settings import load_settings
    from saran.producer.terminal import show_upload, upload_progress
    from saran.producer.upload import upload as run

    if not path.is_dir():
        raise typer.BadParameter(f"{path} is no folder", param_hint="--path")
    with upload_progress() as (found, done):
        summary = run(dataset, path, load_settings(), found=found, done=done)
    show_upload(summary, as_json=json_output)


@app.command()
def synthesise(
    dataset: Annotated[StandIn, typer.Argument(help="Which data set to imitate.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; new, empty, or an older stand-in.")],
    rows: Annotated[int | None, typer.Option(min=1, help="Events (retailrocket), products or films.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    json_output: _Json = False,
) -> None:
    """Write a synthetic stand-in: original columns, published statistics, made-up rows.

    It is for load and function, never evidence of a model's quality.

    Example: `saran synthesise retailrocket --rows 2756101 --out /tmp/rr`
    """
    from saran.producer.synthetic.make import synthesise as run
    from saran.producer.terminal import show_written, working

    with working(f"making a stand-in of {dataset.value}"):
        written = run(dataset.value, out, rows=rows, seed=seed)
    show_written(dataset.value, out, written, as_json=json_output)


@app.command()
def batches(
    out: Annotated[Path, typer.Option(help="Folder of batch_001.csv, batch_002.csv, …")],
    dataset: Annotated[str | None, typer.Option(help="Whose columns to write. Default: SARAN_DATASET.")] = None,
    size: Annotated[int, typer.Option(min=1, help="Events a file.")] = 10_000,
    quiet_seconds: Annotated[float, typer.Option(min=0.1, help="Stop when nothing came for so long.")] = 10,
    json_output: _Json = False,
) -> None:
    """Write events from Kafka to CSV files in the source's own columns; goes on where it stopped.

    Example: `saran batches --dataset retailrocket --out /tmp/batches --quiet-seconds 5`
    """
    from saran.core.settings import load_settings
    from saran.producer.batches import write_batches
    from saran.producer.terminal import logging_to, show_batches, working

    settings = load_settings()
    with logging_to(settings, "batches"), working("writing batches") as tell:
        summary = write_batches(dataset or settings.dataset, settings, out, size, quiet_seconds, tell)
    show_batches(summary, as_json=json_output)


@app.command()
def simulate(
    users: Annotated[int, typer.Option(min=1, help="How many users take turns.")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, help="Events a second, all users together.")] = 20,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so long. Default: at Ctrl-C.")] = None,
    via: Annotated[Via, typer.Option(help="Straight into Kafka, or through the API as a shop does.")] = Via.KAFKA,
    dataset: Annotated[str | None, typer.Option(help="Whose items. Default: SARAN_DATASET.")] = None,
    path: Annotated[Path | None, typer.Option(help="Folder of its files, when they are not bundled.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same users, choices and event ids again.")] = None,
    json_output: _Json = False,
) -> None:
    """Let live users view, click, put in carts and buy, each by own taste.

    Example: `saran simulate --users 50 --rate 10 --minutes 2 --via api`
    """
    from saran.core.settings import load_settings
    from saran.producer.simulate import SimulateOptions
    from saran.producer.simulate import simulate as run
    from saran.producer.terminal import logging_to, show_simulation, working

    settings = load_settings()
    with logging_to(settings, "simulate"), working("simulating") as tell:
        options = SimulateOptions(users=users, rate=rate, minutes=minutes, via=via.value, data=path, seed=seed)
        summary = run(dataset or settings.dataset, settings, options, tell)
    show_simulation(summary, as_json=json_output)


@app.command()
def datasets(json_output: _Json = False) -> None:
    """List the data sets that have a spec, and what each of them has.

    Example: `saran datasets --json`
    """
    from saran.core.datasets import list_specs
    from saran.core.settings import load_settings
    from saran.producer.terminal import show_datasets

    show_datasets(list_specs(load_settings()), as_json=json_output)
