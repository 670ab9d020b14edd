"""A command made of a verb: its options from the verb's own signature, its help from the verb's docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from inspect import Parameter
from pathlib import Path
from types import GenericAlias, NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Protocol, get_args, get_origin, runtime_checkable

import typer
from typer.core import TyperCommand

from tilepress.jobs.cli.log_choice import log_format_option
from tilepress.jobs.cli.spelling import spelled
from tilepress.jobs.monitoring.watch import measured_to
from tilepress.jobs.run_report.recorder import reporting_to

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
EVENTS = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of text; on standard error, one an event.")
]
LOG = Annotated[
    Path | None,
    typer.Option("--log", "--log-file", metavar="FILE", help="Append what is said, with the time, to FILE."),
]
RUN_REPORT = Annotated[
    str | None,
    typer.Option("--run-report", metavar="FILE", help="Write how this command ends, as JSON, to FILE or a URL."),
]
METRICS_FILE = Annotated[
    Path | None,
    typer.Option("--metrics-file", metavar="FILE", help="Keep metrics for Prometheus in FILE, such as x.prom."),
]
_OF_COMMANDS: dict[str, tuple[Any, Any]] = {
    "as_json": (False, EVENTS),
    "log": (None, LOG),
    "run_report": (None, RUN_REPORT),
    "metrics_file": (None, METRICS_FILE),
}  # options that commands have and verbs of Python have not: default and annotation
_NOT_OFFERED = ("quiet", "storage_options")  # see jobs/verbs/parameters.py
_PYTHON_ONLY = ("Args:", "Returns:")  # paragraphs of a docstring that no help shows


@runtime_checkable
class _WrongUse(Protocol):
    """What typer raises about arguments; it exports no common class of them."""

    message: str


class Command(TyperCommand):
    """A command with its parameters as people type them in its help, and arguments without braces in its usage."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Make it as typer does, with the option that says what logs are written in."""
        super().__init__(*arguments, **settings)
        self.params.append(log_format_option())
        texts: Iterable[Any] = (self, *self.params)
        for each in texts:
            each.help = spelled(each.help or "", self.params)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does; of arguments that are too many, say where they may come from."""
        try:
            return super().parse_args(ctx, args)
        except Exception as exc:
            if isinstance(exc, _WrongUse) and exc.message.startswith("Got unexpected extra argument"):
                exc.message += ". A shell makes many words of one pattern: quote it, as in '*.png'"
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words after the command's name in its usage."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def command_of(verb: Callable[..., Any], examples: str) -> Callable[..., None]:
    """Return a function for `typer.Typer.command` that runs `verb` and shows its report by `show_VERB`.

    Its signature is the verb's, in types that typer can read, with --json, --log, --run-report and --metrics-file in
    the place of `quiet`.
    """
    given = [each for each in inspect.signature(verb).parameters.values() if each.name not in _NOT_OFFERED]
    several = next((each.name for each in given if each.kind is Parameter.VAR_POSITIONAL), "")

    def run(ctx: typer.Context, **options: Any) -> None:
        from tilepress.jobs.cli import reports
        from tilepress.jobs.cli.messages import MESSAGES

        own = {name: options.pop(name) for name in _OF_COMMANDS}
        if own["log"] is not None:
            MESSAGES.open_log(own["log"])
            MESSAGES.log(f"tilepress {ctx.command.name}")
        options = {each.name: _collected(each, options[each.name]) for each in given}
        keywords = {name: value for name, value in options.items() if name != several}
        with reporting_to(own["run_report"]), measured_to(own["metrics_file"]):
            report = verb(*options.get(several, ()), **keywords, quiet=False)
        if own["as_json"]:
            reports.print_report(report)
        else:
            show = _shown(verb)
            with MESSAGES.logging_output():
                show(SimpleNamespace(**options, spell=partial(spelled, parameters=ctx.command.params)), report)
        raise typer.Exit(report.exit_code)

    parameters = [
        Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *map(_readable, given),
        *(
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (default, annotation) in _OF_COMMANDS.items()
        ),
    ]
    vars(run).update(__signature__=inspect.Signature(parameters))
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__ = "\n\n".join(_help(inspect.getdoc(verb) or "", examples))
    return run


def _shown(verb: Callable[..., Any]) -> Callable[[SimpleNamespace, Any], None]:
    """Return the function that prints the report of a verb: `show_VERB` of one of three modules."""
    from tilepress.jobs.cli import audit_reports, model_reports, reports

    name = f"show_{verb.__name__}"
    module = next(each for each in (audit_reports, model_reports, reports) if hasattr(each, name))
    show: Callable[[SimpleNamespace, Any], None] = getattr(module, name)
    return show


def _help(docstring: str, examples: str) -> Iterator[str]:
    """The paragraphs of a help: the first of the docstring, examples as they stand, then the rest."""
    first, *rest = docstring.split("\n\n")
    yield first
    yield "\b\n" + inspect.cleandoc(examples)
    yield from (paragraph for paragraph in rest if not paragraph.lstrip().startswith(_PYTHON_ONLY))


def _readable(given: Parameter) -> Parameter:
    """A parameter of a verb as typer reads it: a plain type, and the option as the default."""
    type_, option = get_args(given.annotation)
    option = copy(option)
    type_ = list[str] if given.kind is Parameter.VAR_POSITIONAL else _plain(type_, option)
    names = () if option.default is ... else (option.default, *option.param_decls)
    if type_ is bool and not names:
        names = (f"--{given.name.replace('_', '-')}",)  # typer would add --no-...
    if option.parser:
        option.parser = _of_text(option.parser)
    default = () if isinstance(given.default, Mapping) else given.default
    option.param_decls, option.default = names, ... if default is Parameter.empty else default
    return given.replace(kind=Parameter.KEYWORD_ONLY, annotation=type_, default=option)


def _plain(type_: Any, option: Any) -> Any:
    """The type that typer reads: a place is a text, a sequence or mapping an option that may be repeated."""
    kinds = get_args(type_)
    if isinstance(type_, UnionType):
        (kind,) = (each for each in kinds if each not in (NoneType, Path))
        plain = _plain(kind, option)
        return plain | None if NoneType in kinds else plain
    if get_origin(type_) is Mapping:
        return list[str]
    if option.parser:
        return str
    return GenericAlias(list, _plain(kinds[0], option)) if get_origin(type_) is Sequence else type_


def _of_text(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A parser that leaves defaults, which are no texts, as they are."""
    return lambda value: parse(value) if isinstance(value, str) else value


def _collected(given: Parameter, value: Any) -> Any:
    """What an option that may be repeated gave, as the verb takes it."""
    if not isinstance(value, list):
        return value
    return dict(value) if get_origin(get_args(given.annotation)[0]) is Mapping else tuple(value)
