// What a command of mmusim is, and the list of all. A command handles arguments, calls what does
// the work, and prints; nothing else happens here.
#ifndef MMUSIM_CLI_COMMAND_H_
#define MMUSIM_CLI_COMMAND_H_

#include <span>
#include <string>
#include <vector>

namespace mmusim::cli {

using Words = std::vector<std::string>;  // of a command line, behind the command's name

struct Command {
  const char* name;
  const char* summary;
  void (*run)(const Words& words);  // Errors: Error, UsageError; ClosedOutput (see output.h)
  // Of a group of commands, which has no run(): what it holds, and what its help says below them.
  std::span<const Command> (*commands)() = nullptr;
  const char* more = "";
};

// Thrown when all went well and the exit status is another program's. Not an Error: nothing is
// said.
struct ProgramStatus {
  int status;
};

// Registry: commands.cc.
std::span<const Command> commands();

// Runs the command that the first word names. `group`: what stands before it on the command line
// ("", "trace"). Errors: UsageError, and what the command throws.
void dispatch(std::span<const Command> from, const Words& words, const std::string& group = "");

// The commands, one per line, for help texts.
std::string list_of(std::span<const Command> from);

// replay.cc, run.cc, ...
void replay(const Words& words);
void run(const Words& words);
void compare(const Words& words);
void sweep(const Words& words);
void curve(const Words& words);
void profile(const Words& words);
void report(const Words& words);
void record(const Words& words);
void explain(const Words& words);
void trace_info(const Words& words);
void trace_dump(const Words& words);
void trace_verify(const Words& words);
void trace_import(const Words& words);
void trace_export(const Words& words);
void trace_cut(const Words& words);
void trace_merge(const Words& words);
void trace_prepare(const Words& words);
void trace_stats(const Words& words);
void page_table_check(const Words& words);
void page_table_footprint(const Words& words);
void page_table_grade(const Words& words);
void workload_simulate(const Words& words);
void workload_native(const Words& words);
void workload_check(const Words& words);
void completion(const Words& words);
void manual(const Words& words);

// list.cc, trace.cc, ...
std::span<const Command> lists();
std::span<const Command> trace_commands();
std::span<const Command> page_table_commands();
std::span<const Command> workload_commands();

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_COMMAND_H_
