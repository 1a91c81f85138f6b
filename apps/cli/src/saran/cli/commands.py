"""The commands of the laptop platform, as typer sees them; what they do is in the modules that they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

_DATASET_HELP = "movielens, retailrocket, amazon, movies, or the path of a spec."
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def demo(
    dataset: Annotated[str, typer.Option(help=_DATASET_HELP)] = "movielens",
    data: Annotated[Path | None, typer.Option(help="Folder with the data set's own files.")] = None,
    rows: Annotated[int, typer.Option(min=1000, help="Rows of a synthetic stand-in, without data.")] = 100_000,
    check: Annotated[bool, typer.Option("--check", help="Do not stay; exit 1 when a figure is wrong.")] = False,
    json_out: Annotated[Path | None, typer.Option(help="Where --check writes the figures. [HOME/demo.json]")] = None,
) -> None:
    """From a file of events to live recommendations: start, load, train, serve, learn from a click.

    Example: saran demo --dataset retailrocket --data ~/retailrocket
    """
    from saran.cli.demo import run_demo

    raise typer.Exit(run_demo(dataset, data=data, rows=rows, check=check, json_out=json_out))


@app.command()
def tour(
    path: Annotated[Path | None, typer.Option(help="Folder of the data set's own files. [SARAN_DATA]")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that a step waits for its outcome.")] = 60,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a step, a line each.")] = False,
) -> None:
    """Show on the running platform, step by step, what Saran does: exit code 1 when a step does not keep its word.

    Load events, simulate users, train a model, click as somebody new, promote the model, roll back. Each step tells
    what it does and why, then the figures that it changed; with --json it is one object a line, a step each. After a
    step that failed, those behind it are left out. It takes a few minutes, most of them training.

    What it adds and leaves: the data set, where silver has no event yet; events of invented users (`sim-…` and one
    `visitor-…`); a version of the recommender. It takes nothing away, and the version that was served before is
    served again at the end, also when a step failed. Where none was served, it trains two, and the first stays.

    `saran demo` brings a platform up first; the tour wants one that runs (`saran up --detach`).

    Example: saran tour --timeout 120
    """
    from saran.cli.tour import run_tour

    raise typer.Exit(run_tour(path, seconds=timeout, as_json=json))


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Come back when all is ready.")] = False,
    only: Annotated[str, typer.Option(metavar="PART,…", help="Only these parts, and what they need.")] = "",
    json: _Json = False,
) -> None:
    """Start the platform, and stay until Ctrl-C. Starts what is missing where some of it runs.

    Example: saran up --detach --only kafka,postgres
    """
    from saran.cli.operate import run_up

    run_up(only=tuple(name.strip() for name in only.split(",") if name.strip()), detach=detach, as_json=json)


@app.command()
def down(json: _Json = False) -> None:
    """Stop every process of the platform.

    Example: saran down
    """
    from saran.cli.operate import run_down

    run_down(as_json=json)


@app.command()
def status(json: _Json = False) -> None:
    """Show the parts; exit code 1 when one that should run is not ready.

    Example: saran status --json
    """
    from saran.cli.operate import run_status

    raise typer.Exit(run_status(as_json=json))


@app.command()
def wait(json: _Json = False) -> None:
    """Wait until the lakehouse holds all that Kafka holds, and show the counts by layer.

    Example: saran wait
    """
    from saran.cli.ingested import run_wait

    run_wait(as_json=json)


@app.command()
def logs(
    part: Annotated[str | None, typer.Argument(help="One part; all when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines of the past, a part.")] = 40,
) -> None:
    """Show the parts' logs.

    Example: saran logs streams -f
    """
    from saran.cli.logs import show_logs

    show_logs(part, follow=follow, lines=lines)


@app.command()
def doctor(json: _Json = False) -> None:
    """Look for what could be wrong, and say what to do; exit code 1 when something is.

    Example: saran doctor
    """
    from saran.cli.doctor import run_doctor

    raise typer.Exit(run_doctor(as_json=json))


@app.command()
def check(json: _Json = False) -> None:
    """Ask all that a user of the running installation would meet; exit code 1 when something is red.

    Services by their own checks, Kafka's topics, Delta tables with rows, version and newest time, each GET route of
    the API with a real user and item, and the dashboard's pages. ✓ is well; ✗ is not, with the reason and what to do;
    – was not looked at: a part that was not started, or what the data set does not have. Nothing is changed.

    `saran doctor` looks at the machine and the set-up, also before the first start; `saran check` at what runs.

    Example: saran check --json
    """
    from saran.cli.check.run import run_check

    raise typer.Exit(run_check(as_json=json))


@app.command()
def submit(
    job: Annotated[str, typer.Argument(help="train-recommender, train-blend, or another schedule of the release.")],
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the job; may be repeated.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace of the release. [the kubeconfig's]")
    ] = None,
    release: Annotated[str | None, typer.Option(help="Which release, where the namespace has several.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Show the driver's log, and stay until the end.")
    ] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Do not delete the SparkApplication at its end.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which it is given up.")] = 3600,
    json: _Json = False,
) -> None:
    """Run a job of a release on its cluster, as its schedule would, and show the driver's log.

    The cluster is that of the kubeconfig. Example: saran submit train-recommender -n shop --set rank=64
    """
    from saran.cli.cluster.submit import run_submit

    for one in parameters or []:
        if "=" not in one:
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE, such as rank=32", param_hint="--set")
    raise typer.Exit(
        run_submit(
            job,
            parameters=parameters or [],
            namespace=namespace,
            release=release,
            stay=follow,
            keep=keep,
            seconds=timeout,
            as_json=json,
        )
    )


@app.command()
def jars(
    groups: Annotated[list[str] | None, typer.Argument(help="kafka, tools, spark, s3. [kafka spark]")] = None,
    lock: Annotated[bool, typer.Option("--lock", help="Resolve anew and write requirements/jars.lock.")] = False,
) -> None:
    """Fetch the Java libraries that are missing, and check them.

    Example: saran jars kafka tools
    """
    from saran.cli.operate import fetch_jars, lock_jars

    if lock:
        lock_jars()
    else:
        fetch_jars(groups)


@app.command("api-key")
def api_key(
    name: Annotated[str, typer.Argument(help="Whom the key is for: letters, digits, `.`, `_` and `-`.")],
    scopes: Annotated[
        str, typer.Option(help="read (lists, figures), events (send them) and admin (all), by comma.")
    ] = "read",
    user: Annotated[
        list[str] | None, typer.Option(help="Bind it to a user, or to all whose ids begin so: `shop-a-*`. Repeatable.")
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="KEYS", help="File to add it to. [SARAN_API_KEYS]")] = None,
    json: _Json = False,
) -> None:
    """Make an API key, and show it this once: the file of keys holds only its hash.

    A running API sees a changed file within a second: to rotate a key, add another, change the client, and remove the
    old line. Clients send `Authorization: Bearer KEY`; Saran's own parts send SARAN_API_KEY.

    Example: saran api-key shop-frontend --scopes read,events --file keys.txt
    """
    from saran.cli.api_key import make_api_key

    make_api_key(name, scopes, user or [], file, as_json=json)


@app.command("erase-user")
def erase_user(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    events: Annotated[bool, typer.Option("--events", help="Only the events up to now; later ones count.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the tables have nothing of it.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which waiting is given up.")] = 300,
    json: _Json = False,
) -> None:
    """Forget a user, for ever: in the online store, in the tables, and in what is sent of the user later.

    Asks the API, with a key of scope admin where it wants one (SARAN_API_KEY). It cannot be undone.

    Example: saran erase-user 414
    """
    from saran.cli.erase_user import erase_user as run

    run(user, events_only=events, stay=wait, seconds=timeout, as_json=json)


@app.command()
def replay(
    reason: Annotated[str | None, typer.Option(help="All refused for this reason, exactly as it is told.")] = None,
    topic: Annotated[str | None, typer.Option(help="All of this topic: events or catalog.")] = None,
    corrected: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='Lines {"content_id": …, "value": …}; the value is an event or an item.'),
    ] = None,
    json: _Json = False,
) -> None:
    """Send refused records again, as they are or corrected; what would be refused again is told and not sent.

    Asks the API, with a key of scope admin where it wants one (SARAN_API_KEY). Sent twice, a record changes nothing.
    `saran sql "SELECT content_id, reason, raw FROM silver.rejected"` shows what there is. Exit code 1 when a record
    is refused again or unknown.

    Example: saran replay --corrected mended.ndjson
    """
    from saran.cli.replay import replay as run

    raise typer.Exit(run(reason=reason, topic=topic, corrected=corrected, as_json=json))


@app.command("register-tables")
def register_tables(
    every: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Stay, and look again so often.")
    ] = None,
    json: _Json = False,
) -> None:
    """Make the lakehouse's tables known to Trino, those that are not yet. Trino is at SARAN_TRINO_URL.

    A table is known as `delta.LAYER.NAME`, such as delta.silver.events. The chart's Trino (trino.enabled) has this at
    its side, so a new table is there a minute after its first commit.

    Example: saran register-tables --every 60
    """
    from saran.cli.register_tables import register_tables as run

    run(every, as_json=json)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES.")] = "",
    saved: Annotated[str, typer.Option(metavar="NAME", help="Ask a saved question.")] = "",
    save: Annotated[str, typer.Option(metavar="NAME", help="Save what is asked, in HOME/queries.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="The rows as CSV.")] = False,
    json: _Json = False,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows of the answer.")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="After which it is given up.")] = 60,
    memory: Annotated[int, typer.Option(min=64, metavar="MIB", help="Memory that it may take.")] = 1024,
) -> None:
    """Ask the lakehouse's tables in SQL: bronze, silver and gold, as they are now. Nothing can be changed.

    DuckDB answers, in this process; times are UTC. Without a question, the saved ones are listed.

    Example: saran sql "SELECT action, count(*) AS events FROM silver.events GROUP BY 1"
    """
    from saran.cli.sql import run_sql
    from saran.sql.answer import Limits

    limits = Limits(rows=rows, seconds=seconds, memory_mb=memory)
    run_sql(statement, name=saved, save_as=save, as_json=json, as_csv=csv, limits=limits)


@app.command()
def explore(
    path: Annotated[Path | None, typer.Option(help="Folder with the data set's own files, instead of tables.")] = None,
    dataset: Annotated[str, typer.Option(help=_DATASET_HELP)] = "",
    sample: Annotated[Path | None, typer.Option(metavar="DIR", help="Write a sample of the files, too.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of each file of the sample.")] = 100_000,
    json: _Json = False,
) -> None:
    """Make a report of the data: shapes, types, missing values, duplicates, top values, distributions, relations.

    Of the tables silver.items and silver.events; with --path of the data set's files, before they are loaded. It is one
    HTML page, in HOME/explore. A sample has the same rows each time.

    Example: saran explore --dataset amazon --path ~/amazon --sample ~/amazon-small
    """
    from saran.cli.explore import run_explore

    run_explore(dataset, path=path, sample_to=sample, rows=rows, as_json=json)
