"""The command: thin faces over library calls. Heavy libraries are imported where they are used.

Machine output goes to stdout, talk and progress to stderr. Exit codes: 0 done or clean, 1 contaminated, 2 usage or
configuration, 3 could not check, 4 nothing checked, 130 interrupted. Only 0 is a pass.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sanitizers.errors import COULD_NOT_CHECK, INTERRUPTED, USAGE, ConfigurationError, Fault, SealproofError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanitizers.identifiers import Key
    from sanitizers.policy import Policy
    from sanitizers.verdict import Verdict

FILE = click.Path(path_type=Path)

policy_option = click.option("--policy", "policy_path", type=FILE, default=Path("sealing.yaml"), show_default=True,
                             help="The policy.")  # fmt: skip
key_option = click.option("--key-file", type=FILE, envvar="SEALPROOF_KEY_FILE", help="The register's key file "
                          "(or SEALPROOF_KEY_FILE, or the key itself in SEALPROOF_KEY).")  # fmt: skip
snapshot_option = click.option("--snapshot", "snapshot_path", type=FILE,
                               help="Use this snapshot instead of the policy's.")  # fmt: skip
kinds_option = click.option("--kinds", "kinds_path", type=FILE, required=True, help="The register's kinds.yaml.")
engine_option = click.option("--engine", default="duckdb", show_default=True, metavar="duckdb|spark://HOST:PORT",
                             help="Where it runs.")  # fmt: skip
raw_option = click.option("--raw", type=FILE, help="Folder of the raw sources, in place of the policy's `raw`.")
rules_option = click.option("--rules", default="us-ny", show_default=True, help="A shipped rules file, or a path.")


def _key(key_file: Path | None) -> Key:
    import os

    from sanitizers.errors import KeyFailure
    from sanitizers.identifiers import Key

    if key_file is not None:
        return Key.load(key_file)
    if "SEALPROOF_KEY" in os.environ:
        return Key(os.environ["SEALPROOF_KEY"])
    raise KeyFailure(Fault("no key was given", "name the key file with --key-file or in SEALPROOF_KEY_FILE"))


def _day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dt.date | None:
    if value is None:
        return None
    if value == "today":
        return dt.date.today()  # noqa: DTZ011 - the register's days are local days
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        pass
    raise click.BadParameter("a date as YYYY-MM-DD, or today")


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on stderr, where somebody looks."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        tasks: dict[str, Any] = {}

        def tell(step: str, done: int, of: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=of)
            bars.update(tasks[step], completed=done, total=of)

        yield tell


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sealproof")
def cli() -> None:
    """Keep sealed arrests out of data and models, and prove it."""


# -- keeper -----------------------------------------------------------------------------------------------------------


@cli.group()
def register() -> None:
    """Keep the register: keys, feeds, snapshots (the register keeper's commands)."""


@register.command()
@click.option("--key-file", type=FILE, required=True, help="File to write; must not exist.")
def keygen(key_file: Path) -> None:
    """Make a new key (mode 0600)."""
    import os

    from sanitizers.identifiers import Key

    key = Key.generate()
    problem = ""
    try:
        key_file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(key.reveal() + "\n")
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise ConfigurationError(Fault(problem, "name a new file", where=str(key_file)))
    click.echo(f"key {key.fingerprint} written", err=True)


@register.command()
@click.argument("folder", type=FILE)
@kinds_option
@rules_option
@key_option
@click.option("--feed", type=FILE, help="CSV or Parquet file of events.")
@click.option("--query", type=FILE, help="SQL file that derives events from the --source tables.")
@click.option("--source", "sources", multiple=True, metavar="NAME=PATH", help="A raw table that the query reads.")
@click.option("--delivered-on", callback=_day, default="today", show_default=True, help="Day of the delivery.")
def add(
    folder: Path, kinds_path: Path, rules: str, key_file: Path | None, feed: Path | None, query: Path | None,
    sources: tuple[str, ...], delivered_on: dt.date,
) -> None:  # fmt: skip
    """Take a delivery of events into the register FOLDER."""
    from sanitizers.identifiers import Kinds
    from sanitizers.register.feed import query_feed, read_feed
    from sanitizers.register.history import Register
    from sanitizers.register.rules import Rules

    if delivered_on > dt.date.today():  # noqa: DTZ011 - the keeper's own day
        raise ConfigurationError(Fault("lies in the future", "name the day of the delivery", column="--delivered-on"))
    if (feed is None) == (query is None):
        raise ConfigurationError(Fault("give either --feed or --query", "sealproof register add FOLDER --feed FILE …"))
    key = _key(key_file)
    kinds, statutes = Kinds.load(kinds_path), Rules.find(rules, Path())
    tables = dict(_named(text) for text in sources)
    events = read_feed(feed) if feed else query_feed(query or Path(), tables)
    told = Register(folder, kinds=kinds, key=key).add(
        events, rules=statutes, delivered_on=delivered_on, where=str(feed or query)
    )
    click.echo(f"{told.events} events, {told.new} new, {told.repeated} delivered before", err=True)


def _named(text: str) -> tuple[str, Path]:
    name, given, path = text.partition("=")
    if not given:
        raise ConfigurationError(Fault("is not NAME=PATH", "write --source charges=charges.csv", column="--source"))
    return name, Path(path)


@register.command()
@click.argument("folder", type=FILE)
@kinds_option
@key_option
@policy_option
@raw_option
@click.option("--as-of", callback=_day, default="today", show_default=True, help="Seals in force on this day.")
@click.option("--known-at", callback=_day, help="As known on this day (for looking back: cannot publish).")
@click.option("--out", type=FILE, help="The .snap file [default: the policy's].")
@engine_option
def snapshot(
    folder: Path, kinds_path: Path, key_file: Path | None, policy_path: Path, raw: Path | None, as_of: dt.date,
    known_at: dt.date | None, out: Path | None, engine: str,
) -> None:  # fmt: skip
    """Write the snapshot of a day, closed over the links that the policy's raw sources hold."""
    from sanitizers.identifiers import Kinds
    from sanitizers.keeper import take_snapshot
    from sanitizers.policy import Policy

    policy = Policy.load(policy_path, os.environ, raw=raw)
    told = take_snapshot(
        folder, policy, kinds=Kinds.load(kinds_path), key=_key(key_file), as_of=as_of, known_at=known_at,
        out=out or policy.resolve(policy.register_.snapshot), engine=engine,
    )  # fmt: skip
    click.echo(f"snapshot {told.digest[:12]}: {told.size} identifiers barred for {told.purpose}", err=True)


# -- everyday ---------------------------------------------------------------------------------------------------------


@cli.command("init")
@click.option("--write", is_flag=True, help="Write what is proposed; nothing that exists is overwritten.")
@raw_option
def init_command(raw: Path | None, *, write: bool) -> None:
    """Propose policy, pipeline and CI for the repository in this folder, as a diff."""
    from sanitizers.init import propose

    proposed = propose(Path(), raw)
    if write:
        proposed.write()
        told = [f"written: {change.path}" for change in proposed.changes]
    else:
        click.echo(proposed.diff(), nl=False)
        told = ["nothing was written; `sealproof init --write` does it"] if proposed.changes else []
    for line in [*proposed.notes, *(told or ["nothing is lacking"])]:
        click.echo(line, err=True)


@cli.group("policy")
def policy_group() -> None:
    """Look at the policy before anything is written."""


@policy_group.command()
@policy_option
@kinds_option
@raw_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def check(context: click.Context, policy_path: Path, kinds_path: Path, raw: Path | None, form: str) -> None:
    """Check the policy against kinds, raw sources and feature queries: exit 0 nothing found, 2 findings."""
    from sanitizers.check import check_policy
    from sanitizers.identifiers import Kinds

    checked = check_policy(policy_path, Kinds.load(kinds_path), os.environ, raw=raw)
    if form == "json":
        click.echo(checked.to_json(), nl=False)
        context.exit(checked.exit_code)
    checked.stop()
    click.echo("the policy fits its sources", err=True)


@cli.command()
@policy_option
@raw_option
@key_option
@snapshot_option
@click.option("--register", "register_folder", type=FILE, help="The register, for the links that it remembers.")
@click.option("--out", type=FILE, required=True, help="Folder of the clean sources.")
@click.option("--keeper", type=FILE, help="The keeper's folder: exact counts, and what the next strip can build on.")
@click.option("--plan", "plan_only", is_flag=True, help="Tell what would be read and written; write nothing.")
@engine_option
def strip(
    policy_path: Path, raw: Path | None, key_file: Path | None, snapshot_path: Path | None,
    register_folder: Path | None, out: Path, keeper: Path | None, *, plan_only: bool, engine: str,
) -> None:  # fmt: skip
    """Strip the raw sources into one folder of clean sources, receipt and roster."""
    from sanitizers.keeper import planned_strip, strip_with_register
    from sanitizers.policy import Policy

    policy = Policy.load(policy_path, os.environ, raw=raw)
    snapshot, key = _snapshot_path(policy, snapshot_path), _key(key_file)
    if plan_only:
        work = planned_strip(
            policy, snapshot=snapshot, key=key, register=register_folder, out=out, keeper=keeper, engine=engine
        )
        for line in work.told():
            click.echo(line)
        return
    with progress_bars() as progress:
        receipt = strip_with_register(
            policy, snapshot=snapshot, key=key, register=register_folder, out=out, keeper=keeper, engine=engine,
            progress=progress,
        )  # fmt: skip
    public = receipt.public()
    for name, counts in public.sources.items():
        click.echo(f"{name}: {counts.rows_kept} rows kept, {counts.rows_dropped} dropped", err=True)


def _snapshot_path(policy: Policy, given: Path | None) -> Path:
    return given or policy.resolve(policy.register_.snapshot)


@cli.command()
@policy_option
@click.option("--clean", type=FILE, required=True, help="Folder of the clean sources.")
@click.option("--out", type=FILE, required=True, help="Folder of the feature tables.")
@engine_option
def features(policy_path: Path, clean: Path, out: Path, engine: str) -> None:
    """Compute the policy's SQL features from clean sources only."""
    from sanitizers.features import compute
    from sanitizers.policy import Policy

    made = compute(Policy.load(policy_path), clean=clean, out=out, engine=engine)
    click.echo(f"{', '.join(made) or 'nothing'} computed", err=True)


@cli.command()
@click.argument("path", metavar="CHAIN", type=FILE)
@click.option("--made-by", required=True, help="Name of the step.")
@click.option("--input", "inputs", type=FILE, multiple=True, required=True, help="File or folder of data it read.")
@click.option("--output", "outputs", type=FILE, multiple=True, required=True, help="File or folder it wrote.")
def chain(path: Path, made_by: str, inputs: tuple[Path, ...], outputs: tuple[Path, ...]) -> None:
    """Write a CHAIN: digests of all data that a step has read and of what it wrote, for the gate."""
    from sanitizers import digest
    from sanitizers.publish import check_replaceable

    if not path.name.endswith(digest.CHAIN):
        raise ConfigurationError(Fault("is no name of a chain", f"let it end in {digest.CHAIN}", where=str(path)))
    check_replaceable(path, marks=digest.CHAIN_MARKS)
    read, made = digest.files_at(inputs), digest.files_at(outputs)
    digest.write_chain(path, made_by=made_by, inputs=read, outputs=made)
    click.echo(f"{made_by}: {len(read)} file(s) read, {len(made)} written", err=True)


@cli.command()
@click.argument("paths", type=FILE, nargs=-1, required=True)
@policy_option
@key_option
@snapshot_option
@click.option("--evidence", type=FILE, multiple=True, help="Further folder that holds receipts and chains.")
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif", "junit"]), default="text",
              show_default=True)  # fmt: skip
@click.option("--verdict", "verdict_path", type=FILE, help="File to write the verdict to, as JSON.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 once the verdict is written; `enforce` returns its code.")
@click.pass_context
def gate(
    context: click.Context, paths: tuple[Path, ...], policy_path: Path, key_file: Path | None,
    snapshot_path: Path | None, evidence: tuple[Path, ...], form: str, verdict_path: Path | None, *, exit_zero: bool,
) -> None:  # fmt: skip
    """Judge files and folders: exit 0 clean, 1 contaminated, 3 could not check, 4 nothing checked."""
    from sanitizers.gate import judge
    from sanitizers.policy import Policy
    from sanitizers.publish import check_replaceable, replace_file
    from sanitizers.register.snapshot import load
    from sanitizers.verdict import MARKS as VERDICT_MARKS

    if exit_zero and verdict_path is None:
        remedy = "write `--verdict verdict.json`, and let `sealproof enforce verdict.json` return its code"
        raise ConfigurationError(Fault("a verdict that nobody writes down would be lost", remedy, column="--exit-zero"))
    policy = Policy.load(policy_path)
    if verdict_path is not None:
        check_replaceable(verdict_path, marks=VERDICT_MARKS)
    with progress_bars() as progress:
        verdict = judge(paths, policy=policy, snapshot=load(_snapshot_path(policy, snapshot_path)), key=_key(key_file),
                        evidence=evidence, progress=progress)  # fmt: skip
    if verdict_path is not None:
        replace_file(verdict_path, verdict.to_json().encode(), marks=VERDICT_MARKS)
    _show(verdict, form)
    context.exit(0 if exit_zero else verdict.exit_code)


@cli.command()
@click.argument("verdict_path", metavar="VERDICT", type=FILE)
@policy_option
@click.pass_context
def enforce(context: click.Context, verdict_path: Path, policy_path: Path) -> None:
    """Exit with the code of a VERDICT that the gate has written, as the last stage of a pipeline."""
    from sanitizers.errors import SourceFailure
    from sanitizers.policy import Policy
    from sanitizers.verdict import Said

    said = Said.read(verdict_path)
    if said.policy != Policy.load(policy_path).digest:
        remedy = "run `sealproof gate` again"
        raise SourceFailure(Fault("the verdict was reached under another policy", remedy, where=str(verdict_path)))
    click.echo(said.verdict, err=True)
    context.exit(said.exit_code)


def _show(verdict: Verdict, form: str) -> None:
    from sanitizers.verdict import to_junit, to_sarif

    if form == "json":
        click.echo(verdict.to_json(), nl=False)
    elif form == "sarif":
        click.echo(to_sarif(verdict))
    elif form == "junit":
        click.echo(to_junit(verdict))
    else:
        for target in (*verdict.targets, *verdict.legacy):
            found = "".join(f"\n    {f.column}: {f.count} barred {f.kind}" for f in target.findings)
            reason = f" ({target.reason})" if target.reason else ""
            click.echo(f"{target.verdict:15} {target.path}{reason}{found}")
        for warning in verdict.warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{verdict.verdict}: {verdict.claim}" if verdict.claim else verdict.verdict)


@cli.command("filter")
@click.argument("given", type=FILE)
@click.option("--output", "name", required=True, help="Name of the output in the policy.")
@policy_option
@key_option
@snapshot_option
@click.option("--touched", type=FILE, help="The keeper's list of touched records, for `on_touched: drop`.")
@click.option("--out", type=FILE, required=True, help="File to write.")
def filter_command(
    given: Path, name: str, policy_path: Path, key_file: Path | None, snapshot_path: Path | None, touched: Path | None,
    out: Path,
) -> None:  # fmt: skip
    """Filter a model output, so that nothing in it points back to a barred record."""
    from sanitizers.outputs import filter_file
    from sanitizers.policy import Policy
    from sanitizers.register.snapshot import load

    policy = Policy.load(policy_path)
    if name not in policy.outputs:
        known = ", ".join(policy.outputs) or "none"
        raise ConfigurationError(Fault("no such output", f"the policy has {known}", column=name))
    snapshot = load(_snapshot_path(policy, snapshot_path))
    policy.check_usable(snapshot)
    counts = filter_file(given, out, policy.outputs[name], snapshot=snapshot, key=_key(key_file), touched=touched)
    click.echo(f"{counts.rows_out} rows written", err=True)  # what was taken out would tell that somebody stood there


@cli.command()
@click.option("--title", default="sealproof report", show_default=True)
@click.option("--receipt", type=FILE, required=True, help="receipt.json of the strip.")
@click.option("--verdict", "verdict_path", type=FILE, required=True, help="The gate's verdict.")
@click.option("--chain", type=FILE, multiple=True, help="A chain.json to show.")
@policy_option
@click.option("--out", type=FILE, required=True, help="HTML file to write.")
def report(
    title: str, receipt: Path, verdict_path: Path, chain: tuple[Path, ...], policy_path: Path, out: Path
) -> None:
    """Write the report: one page that needs no network."""
    from sanitizers.policy import Policy
    from sanitizers.report import build_report

    policy = Policy.load(policy_path)
    build_report(title=title, receipt=receipt, verdict=verdict_path, chain=chain, policy=policy, out=out)
    click.echo(str(out), err=True)


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; nothing that it meets exits 1 but a verdict."""
    try:
        code = cli.main(args=arguments, prog_name="sealproof", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except SealproofError as error:
        click.echo(f"sealproof: {error}", err=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no verdict; its text may quote the data
        name = type(error).__name__
        click.echo(f"sealproof: stopped by a fault of its own ({name}); this is no pass", err=True)
        return COULD_NOT_CHECK
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """Entry point of the command."""
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    # Threads of the libraries that still start when the interpreter ends may abort the process: 134 in place of `code`.
    os._exit(code)
