"""mmusim: what MMUs and page tables make of what programs do.

    >>> import mmusim
    >>> result = mmusim.replay("pipeline", machine="zen2", keys={"tlb.l2.entries": 1024})
    >>> result.counters["mmu.cycles"]

replay(), compare(), sweep(), curve() and profile() do what the program's commands of these names do, with the
same results, byte for byte: a result is a dictionary, the document that ``--json`` writes, and its
frame() is a pandas DataFrame (where pandas is installed). Traces are read and written with Trace
and TraceWriter.

A path is what open() takes: str, bytes or an os.PathLike, UTF-8 or not.

What is wrong is raised as Error, or UsageError where an argument, key or file name is; the words
are the program's. Runs let other Python threads go on, wait for each other, and Ctrl-C ends them
with KeyboardInterrupt, with nothing half written. What the program warns of is a MmusimWarning.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from . import _mmusim
from ._mmusim import Error, InternalError, UsageError

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Comparison", "Curve", "Error", "InternalError", "MmusimWarning", "Profile", "Record", "Result",
    "Sweep", "Trace", "TraceWriter", "UsageError", "compare", "curve", "machines", "page_tables",
    "profile", "replay", "sweep", "traces",
]

__version__ = _mmusim.version()[0]

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Keys = Mapping[str, object]


class MmusimWarning(UserWarning):
    """What the program would say on stderr, and go on."""


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("frame() needs pandas (Debian's package python3-pandas)") from error
    return pandas


def _is_path(value: object) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


def _value(value: object) -> str:
    """A key's value as a config has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return os.fsdecode(value) if _is_path(value) else str(value)  # type: ignore[arg-type]


def _argument(path: Path) -> str:
    """An argument that is no option, whatever it begins with."""
    text = os.fsdecode(path)
    return "./" + text if text.startswith("-") else text


def _names(names: Path | Iterable[Path]) -> str:
    if _is_path(names):
        return os.fsdecode(names)  # type: ignore[arg-type]
    return ",".join(map(os.fsdecode, names))  # type: ignore[arg-type]


def _bytes(word: str) -> bytes:
    """As the program has it: what of a path is no UTF-8 goes there and comes back as it is."""
    if "\0" in word:
        raise UsageError(f"{word!r} has a null character in it")
    return os.fsencode(word)


class _Words(list):  # type: ignore[type-arg]
    """A command line. Of what is None nothing is said."""

    def option(self, name: str, value: object) -> None:
        if value is not None:
            self.append(f"--{name}={_value(value)}")

    def names(self, name: str, value: Path | Iterable[Path] | None) -> None:
        if value is not None:
            self.append(f"--{name}={_names(value)}")

    def flag(self, name: str, value: bool) -> None:
        if value:
            self.append(f"--{name}")

    def keys(self, keys: Keys | None) -> None:
        for key, value in (keys or {}).items():
            self.option(key, value)

    def run(self) -> str:
        printed, warned, _ = _mmusim.run([*map(_bytes, self), b"--quiet"])
        for text in warned:
            warnings.warn(text, MmusimWarning, stacklevel=3)
        return printed


class Result(dict):  # type: ignore[type-arg]
    """A run: the document that ``mmusim replay --json`` writes (schema, provenance, counters,
    ratios)."""

    def __init__(self, text: str) -> None:
        super().__init__(json.loads(text))
        self.json = text  #: the document as the program writes it
        #: the counters' values by their names
        self.counters: dict[str, int] = {one["name"]: one["value"] for one in self["counters"]}

    @property
    def config(self) -> dict[str, Any]:
        """The effective configuration."""
        return self["provenance"]["config"]

    def frame(self, of: str = "counters") -> pandas.DataFrame:
        """`of`: "counters", a row a counter, by its name: value, unit, meaning, denominator; or
        "intervals", of a run with run.interval, a row an interval, by the instructions it ended
        after, and a column a counter (those that are 0 throughout are left out)."""
        if of == "counters":
            return _pandas().DataFrame(self["counters"]).set_index("name")
        if of != "intervals":
            raise ValueError(f"a run's frame is of 'counters' or 'intervals', not {of!r}")
        if "intervals" not in self:
            raise ValueError("the run has no intervals (keys={'run.interval': ...})")
        index = _pandas().Index(self["intervals"]["instructions"], name="instructions")
        return _pandas().DataFrame(self["intervals"]["counters"], index=index)


class Comparison(dict):  # type: ignore[type-arg]
    """Runs side by side: the document that ``mmusim compare --json`` writes."""

    def __init__(self, text: str) -> None:
        super().__init__(json.loads(text))
        self.json = text

    def frame(self, of: str = "rates") -> pandas.DataFrame:
        """A row a run, by its name. `of`: "rates", per 1000 instructions, or "relative", to the
        base's."""
        rows = {run["name"]: run[of] for run in self["runs"]}
        return _pandas().DataFrame.from_dict(rows, orient="index")


class Curve(dict):  # type: ignore[type-arg]
    """Misses of LRU TLBs of every size: the document that ``mmusim curve --json`` writes."""

    def __init__(self, text: str) -> None:
        super().__init__(json.loads(text))
        self.json = text

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A dictionary a TLB: side, page_bytes, sets, ways, entries, lookups, misses, miss_ratio."""
        return self["tables"][0]["rows"]

    def frame(self) -> pandas.DataFrame:
        """The same, a row a TLB."""
        return _pandas().DataFrame(self.rows)


class Profile(dict):  # type: ignore[type-arg]
    """Where misses, walks and faults come from: the document that ``mmusim profile --json`` writes."""

    def __init__(self, text: str) -> None:
        super().__init__(json.loads(text))
        self.json = text

    def rows(self, sort: str | None = None) -> list[dict[str, Any]]:
        """The rows of the table that `sort` names, as profile() was given it; the first if None."""
        tables = self["tables"]
        if sort is None:
            return tables[0]["rows"]
        wanted = set(sort.split(","))
        for table in tables:
            if table["id"] != "total" and set(table["id"].removeprefix("by_").split("_")) == wanted:
                return table["rows"]
        raise UsageError(f"the profile has no table by {sort}")

    @property
    def total(self) -> dict[str, Any]:
        """What all rows of a table come to."""
        return self["tables"][-1]["rows"][0]

    def frame(self, sort: str | None = None) -> pandas.DataFrame:
        """The same, a row each."""
        return _pandas().DataFrame(self.rows(sort))


class Sweep:
    """The folder of a sweep, as sweep() or ``mmusim sweep -o`` left it."""

    def __init__(self, folder: Path) -> None:
        self.folder: str = os.fsdecode(folder)
        path = os.path.join(self.folder, "results.csv")
        try:
            with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
                #: a dictionary a point; a counter that a machine does not have is None
                self.rows: list[dict[str, Any]] = [
                    {key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)
                ]
        except OSError as error:
            raise Error(f"{path}: cannot read: {error.strerror}") from error

    def __len__(self) -> int:
        return len(self.rows)

    def result(self, index: int) -> Result:
        """All that the run of that row counted. Raises Error for one that failed."""
        row = self.rows[index]
        if not row["result"]:
            raise Error(str(row["error"]))
        with open(os.path.join(self.folder, row["result"]), encoding="utf-8") as file:
            return Result(file.read())

    def frame(self) -> pandas.DataFrame:
        """A row a point: what varies, and the counters."""
        return _pandas().DataFrame(self.rows)


def _number(text: str | None) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def replay(
    trace: Path,
    *,
    machine: Path | None = None,
    page_table: Path | None = None,
    keys: Keys | None = None,
    limit: int | None = None,
    check: bool = False,
    accept_torn: bool = False,
) -> Result:
    """Takes a trace (a path, or a name of traces()) through a simulated machine.

    machine: a name of machines(), or a machine file. page_table: a name of page_tables(), or a
    plug-in. keys: configuration keys and their values, as {"tlb.l2.entries": 512}. check: every
    translation is compared with the page table.
    """
    words = _Words(["replay", _argument(trace), "--json=-"])
    words.names("machine", machine)
    words.names("page-table", page_table)
    words.option("limit", limit)
    words.flag("check", check)
    words.flag("accept-torn", accept_torn)
    words.keys(keys)
    return Result(words.run())


def compare(
    traces: Path | Sequence[Path],
    *,
    machines: Path | Sequence[Path] | None = None,
    page_tables: Path | Sequence[Path] | None = None,
    pairs: Sequence[str] = (),
    base: str | None = None,
    keys: Keys | None = None,
    limit: int | None = None,
    check: bool = False,
    accept_torn: bool = False,
    jobs: int | None = None,
) -> Comparison:
    """Replays a trace, or runs a workload script, on each machine with each page table.

    Of several traces, of one program on several instruction sets, each machine replays that of its
    own. pairs: page tables with keys of their own, as "gpt paging.walk=native". base: the run the
    others are related to. Where runs fail, an Error is raised, whose details say which and why; its
    result is the Comparison of the others, if there are any, else None.
    """
    sources = [traces] if _is_path(traces) else list(traces)
    words = _Words(["compare", *map(_argument, sources), "--json=-"])
    words.names("machines", machines)
    words.names("page-tables", page_tables)
    for pair in pairs:
        words.option("pair", pair)
    words.option("base", base)
    words.option("limit", limit)
    words.flag("check", check)
    words.flag("accept-torn", accept_torn)
    words.option("jobs", jobs)
    words.keys(keys)
    try:
        return Comparison(words.run())
    except Error as error:
        error.result = Comparison(error.printed) if error.printed else None
        raise


def curve(
    trace: Path,
    *,
    pages: str | Sequence[int | str] | None = None,
    unified: bool = False,
    behind: str | None = None,
    machine: Path | None = None,
    keys: Keys | None = None,
    limit: int | None = None,
    accept_torn: bool = False,
) -> Curve:
    """Counts what LRU TLBs of every size would miss on a trace, in one pass.

    pages: sizes of pages, as [4096, "2M"]; each page is taken to be of that size. unified: also of
    TLBs for fetches and data together. behind: of second levels, behind first levels of so many
    entries and ways, as "128:8,64:4" (of fetches, of data).
    """
    words = _Words(["curve", _argument(trace), "--json=-"])
    if pages is not None:
        words.option("pages", pages if isinstance(pages, str) else ",".join(map(str, pages)))
    words.flag("unified", unified)
    words.option("behind", behind)
    words.names("machine", machine)
    words.option("limit", limit)
    words.flag("accept-torn", accept_torn)
    words.keys(keys)
    return Curve(words.run())


def profile(
    trace: Path,
    *,
    sort: str | Sequence[str] = ("process", "mapping", "page"),
    by: str = "cycles",
    top: int | None = None,
    machine: Path | None = None,
    page_table: Path | None = None,
    keys: Keys | None = None,
    limit: int | None = None,
    accept_torn: bool = False,
) -> Profile:
    """Says where a trace's TLB misses, walks and faults come from.

    sort: what rows are told apart by, a table each: "process", "mapping", "page", "pc", or several
    with commas between them, as "process,mapping". by: what shares are of, and rows sorted by:
    "cycles", "misses", "walks", "traps", "references", "faults". top: at most so many rows of each.
    """
    words = _Words(["profile", _argument(trace), "--json=-"])
    for one in [sort] if isinstance(sort, str) else sort:
        words.option("sort", one)
    words.option("by", by)
    words.option("top", top)
    words.names("machine", machine)
    words.names("page-table", page_table)
    words.option("limit", limit)
    words.flag("accept-torn", accept_torn)
    words.keys(keys)
    return Profile(words.run())


def _axis(key: str, values: object) -> str:
    """A key and what it takes, as --vary has it."""
    if isinstance(values, str):
        return f"{key}={values}"
    if not isinstance(values, Iterable):
        return f"{key}={_value(values)}"
    return f"{key}={','.join(map(_value, values))}"


def sweep(
    *what: Path,
    output: Path | None = None,
    vary: Mapping[str, object] | None = None,
    zipped: Sequence[Mapping[str, object]] = (),
    machines: Path | Sequence[Path] | None = None,
    page_tables: Path | Sequence[Path] | None = None,
    pairs: Sequence[str] = (),
    counters: str | Sequence[str] | None = None,
    keys: Keys | None = None,
    limit: int | None = None,
    check: bool = False,
    accept_torn: bool = False,
    jobs: int | None = None,
) -> Sweep:
    """Replays traces at every combination of what varies.

    what: traces, a config, a .sweep file, by path or name. output: the folder, where a sweep that
    was interrupted goes on; without it the results live as long as the Sweep. vary: keys and what
    each takes, as {"tlb.l2.entries": [512, 1024], "tlb.l2.ways": "4..16 x2"}. zipped: keys that go
    on together. Raises Error where runs failed; Sweep(output) has the others.
    """
    folder = tempfile.mkdtemp(prefix="mmusim-sweep-") if output is None else os.fsdecode(output)
    words = _Words(["sweep", *map(_argument, what), f"--output={folder}"])
    for key, values in (vary or {}).items():
        words.option("vary", _axis(key, values))
    for group in zipped:
        words.option("zip", " ".join(_axis(key, values) for key, values in group.items()))
    words.names("machines", machines)
    words.names("page-tables", page_tables)
    for pair in pairs:
        words.option("pair", pair)
    words.names("counters", counters)
    words.option("limit", limit)
    words.flag("check", check)
    words.flag("accept-torn", accept_torn)
    words.option("jobs", jobs)
    words.keys(keys)
    try:
        words.run()
        result = Sweep(folder)
    except BaseException:
        if output is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if output is None:
        weakref.finalize(result, shutil.rmtree, folder, ignore_errors=True)
    return result


def _listed(what: str) -> list[str]:
    printed, _, _ = _mmusim.run([b"list", what.encode()])
    return [line.split()[0] for line in printed.splitlines() if line and not line.startswith(" ")]


def machines() -> list[str]:
    """The machines there are, by name."""
    return _listed("machines")


def page_tables() -> list[str]:
    """The page tables there are, by name."""
    return _listed("page-tables")


def traces() -> list[str]:
    """The traces that are shipped, by name."""
    return _listed("traces")


class Record(NamedTuple):
    """What a trace says happened: an instruction's fetch, a data access, an event."""

    instruction: int  #: its number, from 0; an event's is that of the next
    pid: int
    tid: int
    kind: str  #: fetch, load, store, modify, or an event's name
    address: int | None  #: of an access
    bytes: int | None
    event: dict[str, Any] | None  #: of an event, its fields


class Trace:
    """A trace (.mmt), by path or name. Iterating it gives its records, each time from the start.

        >>> for record in mmusim.Trace("pipeline", kinds=["mmap", "munmap"]):
        ...     print(record.pid, record.event["length"])

    kinds: what of it is given ("fetch", "load", "store", "modify", "events", an event's name).
    """

    def __init__(
        self, path: Path, *, kinds: Iterable[str] = (), accept_torn: bool = False
    ) -> None:
        self.path = os.fsdecode(_mmusim.find("TRACE", _bytes(os.fsdecode(path))))
        self.kinds = list(kinds)
        self.accept_torn = accept_torn
        #: what it is: isa, page, program, recorder, hash, and how many instructions, loads, ...
        self.about: dict[str, Any] = self._reader().about()

    def _reader(self) -> _mmusim.TraceReader:
        return _mmusim.TraceReader(_bytes(self.path), self.accept_torn, self.kinds)

    def __iter__(self) -> Iterator[Record]:
        reader = self._reader()
        while part := reader.read(4096):
            yield from map(Record._make, part)

    def events(self) -> Iterator[Record]:
        """Its events alone."""
        return iter(Trace(self.path, kinds=["events"], accept_torn=self.accept_torn))

    def frame(self, limit: int | None = None) -> pandas.DataFrame:
        """Its records, at most `limit`, a row each."""
        from itertools import islice

        return _pandas().DataFrame(islice(self, limit), columns=list(Record._fields))


class TraceWriter:
    """Writes a trace; it is there under its name when the `with` block has ended well.

        >>> with mmusim.TraceWriter("mine.mmt", program="by hand") as out:
        ...     out.event(1, 1, "exec", program="by hand")
        ...     out.instruction(1, 1, 0x401000, 4)
        ...     out.access("store", 0x10000008, 8)
    """

    def __init__(
        self,
        path: Path,
        *,
        isa: str = "x86_64",
        program: str = "",
        page: int = 4096,
        big_endian: bool = False,
    ) -> None:
        self._writer = _mmusim.TraceWriter(
            _bytes(os.fsdecode(path)), isa, program.encode(errors="surrogateescape"), page, big_endian
        )

    def instruction(self, pid: int, tid: int, address: int, bytes: int) -> None:
        """One instruction of a thread, with its length."""
        self._writer.instruction(pid, tid, address, bytes)

    def access(self, kind: str, address: int, bytes: int) -> None:
        """One data access ("load", "store", "modify") of the last instruction."""
        self._writer.access(kind, address, bytes)

    def event(self, pid: int, tid: int, kind: str, **fields: object) -> None:
        """One event of a thread: its fields by name, as Record.event has them."""
        self._writer.event(pid, tid, kind, fields)

    def finish(self) -> None:
        """Makes the file appear; nothing more can be written."""
        self._writer.finish()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._writer.finish()
        else:
            self._writer.abandon()
