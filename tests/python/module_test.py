"""The Python module: the program's results, byte for byte, and its words; what ends a run; traces.

    module_test.py MMUSIM SOURCE_DIR MODULE_DIR
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

PROGRAM = os.path.abspath(sys.argv[1])
SOURCE = os.path.abspath(sys.argv[2])
MODULE = os.path.abspath(sys.argv[3])
sys.path.insert(0, MODULE)
os.environ["PYTHONPATH"] = MODULE
WORK = tempfile.TemporaryDirectory()
os.chdir(WORK.name)

import mmusim  # noqa: E402


def program(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True)


class Results(unittest.TestCase):
    """Each is what the program writes."""

    def test_replay(self):
        result = mmusim.replay("pipeline", machine="zen2", page_table="gpt", limit=200_000,
                               keys={"tlb.l2.entries": 512, "cache.enabled": True})
        said = program("replay", "pipeline", "-m", "zen2", "-p", "gpt", "--limit=200000", "-q",
                       "--tlb.l2.entries=512", "--cache.enabled=true", "--json=-")
        self.assertEqual(result.json, said.stdout)
        self.assertEqual(result, json.loads(said.stdout))
        self.assertEqual(result.config["tlb.l2.entries"], 512)
        frame = result.frame()
        self.assertEqual(frame.loc["tlb.l1d.misses", "value"], result.counters["tlb.l1d.misses"])
        self.assertGreater(result.counters["tlb.l1d.misses"], 0)

    def test_intervals(self):
        result = mmusim.replay("pipeline", machine="tiny", limit=50_000,
                               keys={"run.interval": "20K"})
        frame = result.frame("intervals")
        self.assertEqual(list(frame.index[:2]), [20_000, 40_000])
        self.assertEqual(len(frame), 3)
        self.assertEqual(frame["mmu.cycles"].sum(), result.counters["mmu.cycles"])
        with self.assertRaisesRegex(ValueError, "no intervals"):
            mmusim.replay("pipeline", machine="tiny", limit=1000).frame("intervals")
        with self.assertRaisesRegex(ValueError, "not 'rates'"):
            result.frame("rates")

    def test_compare(self):
        compared = mmusim.compare("pipeline", machines=["tiny", "zen2"], page_tables=["mlpt", "gpt"],
                                  pairs=["native: gpt paging.walk=native"], limit=50_000, jobs=2)
        said = program("compare", "pipeline", "-m", "tiny,zen2", "-p", "mlpt,gpt", "-k",
                       "native: gpt paging.walk=native", "--limit=50000", "-q", "--json=-")
        self.assertEqual(compared.json, said.stdout)
        frame = compared.frame()
        self.assertEqual(list(frame.index), [run["name"] for run in compared["runs"]])
        self.assertEqual(frame.loc["tiny/native", "traps"], 0)
        self.assertEqual(compared.frame("relative").loc["tiny/mlpt", "walks"], 1)

    def test_curve(self):
        curve = mmusim.curve("pipeline", pages=[4096, "2M"], limit=100_000)
        said = program("curve", "pipeline", "--pages=4K,2M", "--limit=100000", "-q", "--json=-")
        self.assertEqual(curve.json, said.stdout)
        self.assertEqual(set(curve.frame().page_bytes), {4096, 2 << 20})

    def test_profile(self):
        profile = mmusim.profile("pipeline", sort=["mapping", "process,page"], by="misses", top=20,
                                 machine="zen2", limit=100_000)
        said = program("profile", "pipeline", "--sort=mapping", "--sort=process,page",
                       "--by=misses", "--top=20", "-m", "zen2", "--limit=100000", "-q", "--json=-")
        self.assertEqual(profile.json, said.stdout)
        run = mmusim.replay("pipeline", machine="zen2", limit=100_000)
        self.assertEqual(profile.total["miss_cycles"], run.counters["mmu.miss_cycles"])
        for sort in "mapping", "page,process":
            self.assertEqual(profile.frame(sort)["misses"].sum(), profile.total["misses"])
        self.assertEqual(len(profile.frame("process,page")), 21)
        with self.assertRaises(mmusim.UsageError):
            profile.rows("pc")

    def test_sweep(self):
        sweep = mmusim.sweep("pipeline", output="there", machines="tiny", limit=50_000,
                             vary={"tlb.l2.entries": [64, 128]},
                             zipped=[{"tlb.l1d.entries": "16,32", "tlb.l1d.ways": [4, 8]}],
                             counters=["mmu.cycles", "tlb.l2.misses"])
        said = program("sweep", "pipeline", "-o", "here", "-m", "tiny", "--limit=50000", "-v",
                       "tlb.l2.entries=64,128", "-z", "tlb.l1d.entries=16,32 tlb.l1d.ways=4,8",
                       "--counters=mmu.cycles,tlb.l2.misses", "-q")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertEqual(subprocess.run(["diff", "-r", "here", "there"]).returncode, 0)
        self.assertEqual(len(sweep), 4)
        self.assertEqual([row["tlb.l2.entries"] for row in sweep.rows], [64, 64, 128, 128])
        self.assertEqual(sweep.result(3).counters["mmu.cycles"], sweep.frame()["mmu.cycles"][3])
        # What is there is not done again; without a folder of one's own it goes with the Sweep.
        self.assertEqual(mmusim.Sweep("here").rows, sweep.rows)
        alone = mmusim.sweep("pipeline", machines="tiny", limit=1000)
        folder = alone.folder
        self.assertTrue(os.path.isdir(folder))
        del alone
        self.assertFalse(os.path.exists(folder))

    def test_names(self):
        self.assertIn("zen2", mmusim.machines())
        self.assertEqual(mmusim.page_tables(), ["mlpt", "gpt", "hashed", "clustered"])
        self.assertIn("pipeline", mmusim.traces())


class Errors(unittest.TestCase):
    def raised(self, kind, call, *words):
        """The error, whose words are those of the program."""
        with self.assertRaises(kind) as caught:
            call()
        self.assertIs(type(caught.exception), kind)
        said = program(*words).stderr.splitlines()
        self.assertEqual(f"mmusim: error: {caught.exception}", said[-1])
        self.assertEqual([f"mmusim: error: {one}" for one in caught.exception.details], said[:-1])
        return caught.exception

    def test_words(self):
        self.raised(mmusim.UsageError, lambda: mmusim.replay("pipelin"), "replay", "pipelin")
        self.raised(mmusim.UsageError, lambda: mmusim.replay("pipeline", machine="zen"),
                    "replay", "pipeline", "--machine=zen")
        self.raised(mmusim.UsageError, lambda: mmusim.replay("pipeline", keys={"tlb.l2.way": 4}),
                    "replay", "pipeline", "--tlb.l2.way=4")
        self.raised(mmusim.Error, lambda: mmusim.replay("./none.mmt"), "replay", "./none.mmt")
        error = self.raised(
            mmusim.UsageError,
            lambda: mmusim.sweep("pipeline", output="no", machines="tiny",
                                 vary={"tlb.l2.entries": [64, 63]}),
            "sweep", "pipeline", "-o", "no", "-m", "tiny", "-v", "tlb.l2.entries=64,63")
        self.assertEqual(len(error.details), 1)
        self.assertFalse(os.path.exists("no"))
        self.assertTrue(issubclass(mmusim.UsageError, ValueError))

    def test_others_go_on(self):
        """An error leaves nothing behind for the next run."""
        with self.assertRaises(mmusim.Error):
            mmusim.replay("pipeline", limit=100_000, keys={"mem.bytes": 65536})
        self.assertGreater(mmusim.replay("pipeline", limit=1000).counters["run.instructions"], 0)

    def test_warnings(self):
        with open(f"{SOURCE}/workloads/traces/pipeline.mmt", "rb") as trace:
            whole = trace.read()
        with open("torn.mmt", "wb") as torn:
            torn.write(whole[:-1000])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mmusim.replay("torn.mmt", accept_torn=True, limit=1000)
        self.assertEqual([one.category for one in caught], [mmusim.MmusimWarning])
        self.assertIn("torn", str(caught[0].message))
        self.assertEqual(caught[0].filename, __file__)

    def test_no_pandas(self):
        said = subprocess.run(
            [sys.executable, "-c", "import sys; sys.modules['pandas'] = None\n"
             "import mmusim\nmmusim.replay('pipeline', limit=100).frame()"],
            capture_output=True, text=True)
        self.assertIn("python3-pandas", said.stderr.splitlines()[-1])


class Path:
    """An os.PathLike of either kind."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


class Paths(unittest.TestCase):
    """What os.fspath() takes, also where it is no UTF-8, in each argument that is a path."""

    NAME = b"caf\xe9 \xff"

    def setUp(self):
        os.makedirs(self.NAME, exist_ok=True)
        self.trace = self.NAME + b"/t.mmt"
        program("trace", "cut", "pipeline", "--to=20K", "-o", os.fsdecode(self.trace), "-q")
        self.machine = self.NAME + b"/m.cfg"
        with open(f"{SOURCE}/configs/machines/tiny.cfg") as shipped, open(self.machine, "w") as mine:
            mine.write(shipped.read())

    def ways(self, path):
        text = os.fsdecode(path)
        return path, text, Path(path), Path(text)

    def test_everywhere(self):
        for trace, machine in zip(self.ways(self.trace), self.ways(self.machine)):
            result = mmusim.replay(trace, machine=machine)
            self.assertEqual(result.counters["run.instructions"], 20_000)
            self.assertEqual(mmusim.replay(trace, keys={"run.machine": machine}).counters,
                             result.counters)
            self.assertEqual(len(mmusim.compare([trace], machines=[machine, "zen2"])["runs"]), 2)
            self.assertEqual(len(mmusim.compare(trace, machines=machine)["runs"]), 1)
            self.assertGreater(len(mmusim.curve(trace, machine=machine).rows), 0)
            self.assertGreater(mmusim.profile(trace, machine=machine).total["misses"], 0)
            self.assertEqual(mmusim.Trace(trace).about["instructions"], 20_000)
            self.assertEqual(next(iter(mmusim.Trace(trace).events())).kind, "exec")
        folders = self.ways(self.NAME + b"/sweep")
        for i, folder in enumerate(folders):
            sweep = mmusim.sweep(self.ways(self.trace)[i], output=folder, machines=[machine])
            self.assertEqual(os.fsencode(sweep.folder), self.NAME + b"/sweep")
            self.assertEqual(sweep.result(0).counters["run.instructions"], 20_000)
            self.assertEqual(mmusim.Sweep(folder).rows, sweep.rows)
        for path in self.ways(self.NAME + b"/written.mmt"):
            with mmusim.TraceWriter(path, program=os.fsdecode(self.NAME)) as out:
                out.instruction(1, 1, 0x1000, 4)
            self.assertEqual(mmusim.Trace(path).about["program"], os.fsdecode(self.NAME))

    def test_errors(self):
        """The words have the path, in a form that can be printed."""
        for path in self.ways(self.NAME + b"/none.mmt"):
            for call in (mmusim.replay, mmusim.Trace, mmusim.profile):
                with self.assertRaises(mmusim.Error) as caught:
                    call(path)
                str(caught.exception).encode()
                self.assertIn("none.mmt", str(caught.exception))
        for wrong in ("a\0b", b"a\0b"):
            for call in (mmusim.replay, mmusim.Trace, mmusim.TraceWriter):
                self.assertRaisesRegex(ValueError, "null", call, wrong)
        for wrong in (5, None, ["t.mmt"]):
            for call in (mmusim.replay, mmusim.Trace, mmusim.TraceWriter, mmusim.Sweep):
                self.assertRaises(TypeError, call, wrong)


class Running(unittest.TestCase):
    def test_interrupt(self):
        """Ctrl-C ends a run soon, as KeyboardInterrupt, and the interpreter goes on."""
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt):
            while True:  # whichever it meets
                mmusim.sweep("pipeline", output="cut", machines="skylake-sp", check=True, jobs=1)
                mmusim.replay("pipeline", check=True)
        self.assertFalse([name for name in os.listdir("cut") if ".tmp" in name])
        self.assertEqual(mmusim.replay("pipeline", limit=1000).json,
                         mmusim.replay("pipeline", limit=1000).json)

    def test_threads(self):
        """Runs of several threads wait for each other; other threads go on meanwhile."""
        wanted = [mmusim.replay("pipeline", machine=name, limit=100_000).json
                  for name in ("tiny", "zen2")]
        got = [None, None]

        def work(i):
            got[i] = mmusim.replay("pipeline", machine=("tiny", "zen2")[i], limit=100_000).json

        threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
        for thread in threads:
            thread.start()
        turns = 0
        while any(thread.is_alive() for thread in threads):
            turns += 1
            time.sleep(0.001)
        self.assertEqual(got, wanted)
        self.assertGreater(turns, 0)

    def test_a_bug_ends_its_run(self):
        """A plug-in that breaks an invariant, in the process of the interpreter."""
        with open("broken.cc", "w") as text:
            text.write('#include "pt/plugin_entry.h"\n'
                       "using namespace mmusim;\n"
                       "void none(config::Schema&) {}\n"
                       "std::unique_ptr<pt::Factory> make(const config::Config& config,\n"
                       "                                  const pt::Environment&) {\n"
                       '  MMUSIM_ASSERT(config.text("machine.name").empty());\n'
                       "  return nullptr;\n}\n"
                       'pt::Backend backend() { return {"broken", "fails", none, make}; }\n'
                       "MMUSIM_PAGE_TABLE_PLUGIN(backend)\n")
        subprocess.run(["c++", "-std=c++20", "-shared", "-fPIC", "-o", "broken.so",
                        f"-I{SOURCE}/src", "broken.cc"], check=True)
        with self.assertRaisesRegex(mmusim.InternalError, "config.text"):
            mmusim.replay("pipeline", page_table="./broken.so", limit=1000)
        # The others' results come with the error.
        with self.assertRaisesRegex(mmusim.Error, "1 of 2 runs failed") as caught:
            mmusim.compare("pipeline", machines="tiny", page_tables=["mlpt", "./broken.so"],
                           limit=1000)
        self.assertEqual([run["name"] for run in caught.exception.result["runs"]], ["tiny/mlpt"])
        self.assertIn("config.text", caught.exception.result["failed"][0]["why"])
        self.assertGreater(mmusim.replay("pipeline", limit=1000).counters["run.instructions"], 0)


class Traces(unittest.TestCase):
    def test_records(self):
        """As trace dump has them."""
        records = [record for record, _ in zip(mmusim.Trace("pipeline"), range(2000))]
        dumped = [json.loads(line) for line in
                  program("trace", "dump", "pipeline", "--limit=2000", "--json=-").stdout.splitlines()]
        self.assertEqual([tuple(r)[:4] for r in records],
                         [(d["instruction"], d["pid"], d["tid"], d["kind"]) for d in dumped])
        self.assertEqual([(r.address, r.bytes) for r in records if r.event is None],
                         [(int(d["address"], 16), d["bytes"]) for d in dumped if "address" in d])
        maps = list(mmusim.Trace("pipeline", kinds=["mmap"]))
        self.assertEqual(len(maps), len(program("trace", "dump", "pipeline", "--kinds=mmap")
                                        .stdout.splitlines()))
        self.assertEqual({record.kind for record in maps}, {"mmap"})
        self.assertEqual(mmusim.Trace("pipeline").frame(limit=10).shape, (10, 7))
        with self.assertRaisesRegex(mmusim.UsageError, "did you mean 'fetch'"):
            mmusim.Trace("pipeline", kinds=["fecth"])

    def test_copied(self):
        """What is read and written again, record by record, is the same trace."""
        program("trace", "cut", "pipeline", "--from=2M", "--to=2100K", "-o", "part.mmt", "-q")
        part = mmusim.Trace("part.mmt")
        with mmusim.TraceWriter("copy.mmt", isa=part.about["isa"], page=part.about["page"],
                                program=part.about["program"]) as out:
            for record in part:
                if record.event is not None:
                    out.event(record.pid, record.tid, record.kind, **record.event)
                elif record.kind == "fetch":
                    out.instruction(record.pid, record.tid, record.address, record.bytes)
                else:
                    out.access(record.kind, record.address, record.bytes)
        self.assertEqual(program("trace", "dump", "part.mmt").stdout,
                         program("trace", "dump", "copy.mmt").stdout)
        self.assertGreater(part.about["events"], 0)

    def test_every_event(self):
        """Each kind, as the plain text format has it."""
        lines = [
            '1 1 exec program="/bin/\\xff" arguments=["a" "b"] '
            'image=[0x400000-0x401000 r-x flags=0x2 offset=0 "a";0x7000-0x8000 rw-+0x8]',
            '1 1 mmap hint=0x0 length=4096 prot=rw- flags=0x22 fd=-1 offset=0 result=0x7f0000000000',
            '1 1 mmap length=4096 result=-12', '1 1 munmap start=0x7f0000000000 length=4096',
            '1 1 mprotect start=0x1000 length=4096 prot=r--', '1 1 brk result=0x5000',
            '1 1 madvise start=0x1000 length=4096 advice=4', '1 1 fork child=2/2 shares_memory=yes',
            '1 1 marker text="here"', '1 1 mlock what=lock start=0x1000 length=4096',
            '1 1 mremap old_start=0x1000 old_length=4096 new_length=8192 result=0x3000',
            '1 1 truncate length=9 file="f"', '1 1 fallocate mode=3 length=9', '1 1 thp disable=1',
            '1 1 msync start=0x1000 length=4096', '1 1 other name="shmat" result=-22',
            '1 1 process_madvise target=2 start=0x1000 length=4096 advice=21',
            '2 2 exit status=256', '1 1 wait child=2 status=256', '1 1 switch cpu=0',
        ]
        with open("all.txt", "w") as text:
            text.write("\n".join(lines) + "\n1 1 f 0x401000 4\n")
        said = program("trace", "import", "all.txt", "-o", "all.mmt")
        self.assertEqual(said.returncode, 0, said.stderr)
        events = list(mmusim.Trace("all.mmt").events())
        with mmusim.TraceWriter("again.mmt") as out:
            for record in events:
                out.event(record.pid, record.tid, record.kind, **record.event)
        again = list(mmusim.Trace("again.mmt"))
        self.assertEqual([tuple(r)[1:] for r in again], [tuple(r)[1:] for r in events])
        self.assertEqual(events[1].event["result"], 0x7F0000000000)
        self.assertEqual(len(events), len(lines))
        # All there are: what an unknown one is told apart by.
        self.assertEqual(len({record.kind for record in events}), 19)

    def test_bad_writing(self):
        out = mmusim.TraceWriter("bad.mmt")
        for wrong in (
            lambda: out.access("load", 0, 8), lambda: out.instruction(1, 1, 0, 0),
            lambda: out.instruction(1, 1, 0, 33), lambda: out.event(1, 1, "mapp"),
            lambda: out.event(1, 1, "mmap", length=1), lambda: out.event(1, 1, "brk", result="x"),
            lambda: out.event(1, 1, "brk", result=-1), lambda: out.event(1, 1, "brk", result=1, y=2),
            lambda: mmusim.TraceWriter("x.mmt", page=5), lambda: mmusim.TraceWriter("x.mmt", isa=""),
        ):
            self.assertRaises(mmusim.UsageError, wrong)
        out.instruction(1, 1, 0x1000, 4)
        self.assertRaises(mmusim.UsageError, lambda: out.access("fetch", 0, 8))
        self.assertRaises(mmusim.UsageError, lambda: out.access("load", 0, 4097))
        self.assertRaises(mmusim.Error, lambda: mmusim.TraceWriter("no/x.mmt"))
        with self.assertRaises(ZeroDivisionError):
            with mmusim.TraceWriter("half.mmt") as half:
                half.instruction(1, 1, 0x1000, 4)
                1 / 0
        del out
        self.assertFalse([name for name in os.listdir() if re.match("(bad|half|x)", name)])


    def test_failed_finish(self):
        """On a full disk nothing is left, whatever keeps the writer."""
        script = ("import mmusim, os, resource, signal\n"
                  "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                  "out = mmusim.TraceWriter('full.mmt')\n"
                  "out.instruction(1, 1, 0x1000, 4)\n"
                  "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
                  "try:\n    out.finish()\n"
                  "except mmusim.Error as error:\n    print(error)\n"
                  "print([name for name in os.listdir() if name.startswith('full')])\n")
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual(said.stderr, "")
        words, left = said.stdout.splitlines()
        self.assertIn("cannot write", words)
        self.assertEqual(left, "[]")


class Example(unittest.TestCase):
    def test_runs(self):
        """The notebook, and the figures it prints that others have measured."""
        said = subprocess.run([sys.executable, f"{SOURCE}/workloads/python/tlb_reach.py"],
                              capture_output=True, text=True)
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("21,916,880 instructions", said.stdout)
        self.assertRegex(said.stdout, r"the knee: \d+ entries")
        self.assertRegex(said.stdout, r"\n1536 +10103 +7594048\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
