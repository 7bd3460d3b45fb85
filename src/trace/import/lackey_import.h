// Many lackey logs into one history, in one plausible order.
//
// Each process is a stream of lines read from its logs one after the other. Processes take turns of
// `quantum` instructions, in the order in which they came to be; a process begins when its fork has
// been written, the caller of vfork goes on when its child has called exec or has ended, and the
// result of a wait comes when the child has ended. So the order is one that could have happened as
// far as those calls tell; what processes say to each other through pipes, signals or shared memory
// is not looked at. The same logs always give the same order.
//
// Memory: a buffer of 128 KiB and the decompressor for each process that has begun and not ended,
// plus some hundred bytes for each process; not dependent on the length of the logs. Beyond
// kMaxOpenFiles processes at a time, files are closed between turns.
//
// Sink is Writer or something with its functions thread(), instruction(), access() and event().
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_IMPORT_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_IMPORT_H_

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "config/keys.h"
#include "trace/import/lackey_line.h"
#include "trace/import/lackey_log.h"
#include "trace/import/lackey_placement.h"
#include "trace/import/lackey_process.h"
#include "trace/importer.h"

namespace mmusim::trace::lackey {

struct Options : ImportOptions {
  // Instructions one process runs before the next one's turn, as the logs do not say who ran when.
  uint64_t quantum = 100'000;
  static const config::Keys<Options>& keys();
};

template <class Sink>
class Import {
 public:
  // `logs` as open_logs() gives them.
  Import(std::vector<Log> logs, Sink& sink, const Options& options)
      : logs_(std::move(logs)), sink_(sink), options_(options) {
    MMUSIM_ASSERT(options.quantum != 0);
  }

  // The result lacks the totals, which the sink knows.
  ImportResult run();

 private:
  static constexpr size_t kMaxOpenFiles = 200;
  static constexpr size_t kMaxProcesses = 1'000'000;

  enum class State : uint8_t { Unborn, Ready, InVfork, InWait, Ended };
  struct Task {
    explicit Task(Pid pid) : process(std::make_unique<Process>(pid)) {}
    std::unique_ptr<Process> process;  // gone when ended
    State state = State::Unborn;
    size_t next_log = 0;  // in logs_
    size_t logs_end = 0;
    bool begun = false;    // its first log was opened
    bool by_fork = false;  // its birth is in the trace
    std::unique_ptr<LineBuffer> lines;
    uint64_t line = 0;  // lines read of the current log
    std::string cut;    // the start of a line, up to a message; its rest comes behind that
    uint64_t last_instruction = 0;
    std::optional<Effect> waiting;
    std::vector<Pid> children;        // not yet reaped, in order of birth
    std::vector<Pid> wake_at_end;     // who waits for the end of this one
    std::optional<Pid> wake_at_exec;  // who called vfork
    int32_t status = 0;
    bool reaped = false;
  };

  void plan();
  Task& task(Pid pid) { return tasks_.at(pid); }
  void start(Pid pid);
  bool start_something();
  void turn(Pid pid);
  bool open_next_log(Task& task);
  void place_program(const Log& log);
  void decide(Pid pid, Task& task);
  bool references(Task& task, uint64_t& budget);
  bool other_line(Pid pid, Task& task, std::string_view text);
  bool whole_line(Pid pid, Task& task, std::string_view text, size_t kept);
  bool is_reference(std::string_view text, ReferenceLine& ref) const;
  void odd_reference(Task& task, const ReferenceLine& ref);
  bool end_of_lines(Pid pid, Task& task);
  void act(Pid pid, Task& task, Effect effect);
  void birth(Pid parent, Task& caller, const Effect& effect);
  void wait(Pid pid, Task& task, Effect effect);
  void end(Pid pid, Task& task);
  void wake_when_ended(Pid waiter, Task& waited);
  void wake(Pid pid, State from);
  void emit(const Effect& effect);
  void go_on(const Task& task);
  void refuse(const Task& task, const std::string& what);
  void warn(const std::string& text) {
    if (result_.warnings.size() < 20) result_.warnings.push_back(text);
  }
  const Log& current_log(const Task& task) const { return logs_[task.next_log - 1]; }

  std::vector<Log> logs_;
  Sink& sink_;
  const Options& options_;
  std::map<Pid, Task> tasks_;
  std::deque<Pid> ready_;
  size_t open_files_ = 0;
  bool have_instruction_ = false;  // of the current thread, since the last event
  ThreadId current_{};
  std::vector<Effect> effects_;
  std::string joined_;  // a line put together of two parts
  ImportResult result_;
  uint64_t placed_ = 0;      // programs
  uint64_t not_placed_ = 0;  // ... though there are files
  uint64_t stored_total_ = 0;
  uint64_t stored_done_ = 0;
};

}  // namespace mmusim::trace::lackey

#include "trace/import/lackey_import_impl.h"

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_IMPORT_H_
