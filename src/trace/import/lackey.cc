#include "trace/import/lackey.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "trace/import/lackey_import.h"
#include "trace/import/line_reader.h"

namespace mmusim::trace {
namespace {

constexpr const char kRecord[] =
    R"(To record (scripts/record-lackey does all of this):

    valgrind --tool=lackey --trace-mem=yes --trace-syscalls=yes \
             --trace-children=yes --log-file=/tmp/logs/NAME.%p.%n \
             COMMAND ARGS...
    mmusim trace import --format lackey /tmp/logs/NAME.* -o NAME.mmt
)";

constexpr const char kHelp[] =
    R"(The log's name must be an absolute path, or a program that changes its directory makes Valgrind
stop. It must have %p and %n: with %p alone, what a process did between fork and exec is overwritten
by its exec. Even so a second exec of one process overwrites what it did between the two (as
`env nice COMMAND` does); scripts/record-lackey keeps that too. Logs may be compressed with zstd, xz
or gzip. About 15 bytes of log are written per instruction.

What becomes of it:
  - Each process is a stream. They take turns of a fixed number of instructions; a child begins
    after its fork, the caller of vfork goes on after the child's exec or end, and a wait returns
    after the child's end. The real order is not in the logs: pipes, signals, sleeps and shared
    memory do not order anything here.
  - A line cut off at the end of a log (a killed recording) is left out, with a warning. A process
    whose log does not tell its end was killed (status 9).

What lackey does not tell:
  - The thread of a reference. Valgrind runs one thread at a time and names it only at system calls;
    references between calls are given to the thread of the last call unless that one waits.
    Kernel thread ids are those of clone's results, matched in order of creation.
  - The initial image: where program, stack and vdso lie. Valgrind loads them elsewhere than the
    kernel would (a position-independent program at 0x108000 and up, its loader at 0x4000000, the
    stack below 0x1fff001000), and adds its preload library. The trace has no areas for them, but
    for program and loader where --files has them, COMMAND was a full path, and the first
    instruction is where these files begin.
  - Which build a file was: the logs have the paths of libraries. --files / on the computer that
    recorded, soon after, puts build ids into the trace, and so 'profile' has functions.
  - What exec's arguments were: the command line is Valgrind's print of it, where control characters
    have become underscores. That execve succeeded shows only by the next log; a program that was
    not traced has none.
  - Which file a descriptor names when it came from another process or from memfd_create, and paths
    relative to the working directory stay so. Statuses of waits are those of the child's exit.
  - Which child waitid got unless it was asked for one; the one that ended first in birth order is
    taken. waitid that must not block, or must not reap, leaves nothing.
  - The result of a call that was waiting when a signal came: it is never printed, as with a shell's
    wait when its child's end comes as SIGCHLD. Where the program then goes on behind the call, a
    wait is taken to have reaped a child, and a madvise to have worked; an open's file stays unknown.
  - Memory shared by shmat, and mappings that Valgrind makes for itself. That there was such a call
    (shmat, userfaultfd, process_madvise, remap_file_pages, mbind, ...) is recorded by its name, and
    counted by a replay (kernel.calls.left_out). Protection keys are left out of pkey_mprotect.
  - Atomicity. M is a load and store by one instruction, locked or not: `inc` gives M, as
    `lock cmpxchg` does; `lock inc` and `xchg` give a load and an M.
  - Instruction bytes, physical addresses, time, and everything the kernel touches. vfork and
    posix_spawn are done by Valgrind as fork; the trace says what the program asked for.
  - Wide accesses of some instructions are shown in parts (fxsave) or in one piece (fnsave, 108
    bytes). Accesses of more than 4096 bytes are split.
Instructions inside rep loops show as one instruction per round, as the hardware's counters would
not.
)";

ImportResult import_lackey(std::span<const std::string> paths, const std::string& output,
                           const WriterOptions& writer_options, const ImportOptions& options,
                           const config::Config& keys) {
  if (paths.empty()) throw UsageError("", "no logs to import");
  std::vector<lackey::Log> logs = lackey::open_logs(paths);
  // The process all others come from, as far as the logs tell.
  std::set<Pid> pids;
  for (const lackey::Log& log : logs)
    pids.insert(log.pid);
  const auto root = std::find_if(logs.begin(), logs.end(), [&pids](const lackey::Log& log) {
    return !pids.contains(log.parent);
  });
  const lackey::Log* const first = root == logs.end() ? &logs.front() : &*root;
  Header header;
  header.isa = "x86_64";
  header.program = first->command;
  header.recorder = "lackey of " + (first->version.empty() ? "Valgrind" : first->version);
  header.notes =
      "Imported from lackey logs: the order between processes is one of several possible, the "
      "thread of a reference is a guess, program, stack and vdso areas are implied.";
  lackey::Options chosen = lackey::Options::keys().read(keys);
  static_cast<ImportOptions&>(chosen) = options;
  const std::string input = first->path;
  Writer writer(output, header, writer_options);
  ImportResult result = lackey::Import<Writer>(std::move(logs), writer, chosen).run();
  finish_import(writer, result, input, "lackey");
  return result;
}

// Valgrind's first lines name the tool, behind the process id.
bool recognises_lackey(const std::string& path) {
  const std::string text = first_lines(path);
  return text.starts_with("==") && text.find("== Lackey") != std::string::npos;
}

void declare_lackey(config::Schema& schema) {
  lackey::Options::keys().declare(schema);
}

}  // namespace

namespace lackey {

const config::Keys<Options>& Options::keys() {
  static const auto kKeys = config::Keys<Options>().count(
      "lackey.quantum", &Options::quantum,
      "Instructions one process runs before the next one's turn: the logs do not say who ran when.",
      1);
  return kKeys;
}

}  // namespace lackey

const Importer kLackeyImporter = {
    .name = "lackey",
    .summary = "logs of valgrind --tool=lackey (x86-64), one per process image",
    .unit = "lines",
    .record = kRecord,
    .help = kHelp,
    .recognises = recognises_lackey,
    .declare = declare_lackey,
    .import = import_lackey,
};

}  // namespace mmusim::trace
