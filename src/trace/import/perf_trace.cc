#include "trace/import/perf_trace.h"

#include <algorithm>
#include <utility>

#include "base/linux_abi.h"

namespace mmusim::trace::perf {
namespace {

using drmemtrace::CallKind;
using drmemtrace::CallType;

constexpr uint32_t kMostThreads = uint32_t{1} << 22;  // PID_MAX_LIMIT
constexpr size_t kMostMakers = 1024;
constexpr uint64_t kThreadFlags = abi::kCloneVm | abi::kCloneThread;
constexpr int32_t kKilled = 9;  // a status as wait4 gives it: SIGKILL

// Names are the same on every ISA, and so is what they mean.
const CallType* type_named(std::string_view name) {
  using drmemtrace::Isa;
  static const auto kTypes = [] {
    std::unordered_map<std::string_view, const CallType*> types;
    for (const Isa isa : {Isa::X86_64, Isa::I386, Isa::Aarch64, Isa::Arm})
      for (const CallType& type : drmemtrace::call_types())
        if (drmemtrace::has(isa, type)) types.emplace(type.name, &type);
    return types;
  }();
  const auto found = kTypes.find(name);
  return found == kTypes.end() ? nullptr : found->second;
}

bool makes_thread(const CallType* type) {
  return type != nullptr && drmemtrace::makes_thread(type->kind);
}

bool is_exec(std::string_view name) {
  return name == "execve" || name == "execveat";
}

}  // namespace

TraceImport::Task& TraceImport::task(uint32_t tid) {
  const auto [found, is_new] = tasks_.try_emplace(tid);
  if (is_new) {
    found->second.pid = tid;
    found->second.loading = true;
  }
  return found->second;
}

void TraceImport::emit(uint32_t tid, const Event& event) {
  emit(tid, task(tid), event);
}

void TraceImport::emit(uint32_t tid, const Task& task, const Event& event) {
  const uint32_t pid = task.pid;
  if (processes_[pid].ended) {
    ++after_end_;
    return;
  }
  stream_.thread({Pid(pid), Tid(tid)});
  stream_.event(event);
}

void TraceImport::bear(uint32_t tid, Task& task, std::string_view call) {
  if (task.born) return;
  task.born = true;
  if (!task.parent && task.awaited) {
    const auto maker = std::find_if(makers_.begin(), makers_.end(), [&](uint32_t one) {
      const auto found = tasks_.find(one);
      return one != tid && found != tasks_.end() && found->second.in == task.made_by;
    });
    if (maker != makers_.end()) {
      task.parent = *maker;
      task.arguments = tasks_[*maker].arguments;
    } else {
      ++orphans_;
    }
  }
  if (!task.parent) {
    processes_[tid] = {.threads = 1};
    return;
  }
  uint64_t flags = abi::kSignalChild;
  const CallType* const type = type_named(task.made_by);
  const CallKind kind = type == nullptr ? CallKind::Fork : type->kind;
  if (kind == CallKind::Vfork) flags |= abi::kCloneVm | abi::kCloneVfork;
  if (kind == CallKind::Clone) flags = task.arguments.call.arguments[0];
  if (kind == CallKind::Clone3) {
    // Its flags are in memory. The C library uses it for threads, which begin with one of these
    // calls, and for programs it starts at once.
    ++guessed_;
    const bool thread = call == "rseq" || call == "set_robust_list";
    if (thread) flags = kThreadFlags;
  }
  task.arguments = {};
  const bool thread = (flags & abi::kCloneThread) != 0;
  const uint32_t parent = *task.parent;
  const uint32_t pid = thread ? this->task(parent).pid : tid;
  // A reference into a map stays good when others are added.
  task.pid = pid;
  if (thread)
    ++processes_[pid].threads;
  else
    processes_[pid] = {.threads = 1};
  emit(parent, ForkEvent{{Pid(pid), Tid(tid)}, flags, (flags & abi::kCloneVm) != 0});
}

const char* TraceImport::line(const TraceLine& line) {
  if (line.kind == TraceLine::Kind::Lost) {
    ++lost_;
    return nullptr;
  }
  if (line.kind == TraceLine::Kind::Other) {
    ++others_;
    return nullptr;
  }
  const uint32_t tid = std::max(line.tid, 1u);
  if (tid > kMostThreads) return "no thread's number: Linux has at most 4194304";
  switch (line.kind) {
    case TraceLine::Kind::Fault:
      return fault(tid, line);
    case TraceLine::Kind::Begun:
      return begun(tid, line);
    default:
      return finished(tid, line);
  }
}

const char* TraceImport::fault(uint32_t tid, const TraceLine& line) {
  const auto place = parse_trace_place(line.arguments);
  if (!place || *place >> 63 != 0) {
    ++faults_in_files_;
    return nullptr;
  }
  Task& task = this->task(tid);
  const bool undecided = !task.born && !task.made_by.empty();
  if ((task.loading && line.by_kernel) || undecided || (task.in && is_exec(*task.in))) {
    ++faults_loading_;
    return nullptr;
  }
  task.loading = false;
  bear(tid, task, {});
  if (processes_[task.pid].ended) {
    ++after_end_;
    return nullptr;
  }
  stream_.thread({Pid(task.pid), Tid(tid)});
  ++faults_;
  return stream_.access(AccessKind::Load, *place, std::min(access_bytes_, bytes_in_line(*place)));
}

const char* TraceImport::begun(uint32_t tid, const TraceLine& line) {
  Task& task = this->task(tid);
  const CallType* const type = type_named(line.name);
  auto arguments = parse_trace_arguments(type, line.arguments);
  if (!arguments) return "arguments that make no sense";
  task.loading = false;
  bear(tid, task, line.name);
  task.in = std::string(line.name);
  // What it points to goes with the line, and is of no use but for calls that end at once.
  arguments->file = arguments->filename = arguments->options = {};
  task.arguments = *arguments;
  if (!makes_thread(type)) return nullptr;
  if (makers_.size() == kMostMakers) makers_.pop_front();
  makers_.push_back(tid);
  return nullptr;
}

const char* TraceImport::finished(uint32_t tid, const TraceLine& line) {
  const auto result = parse_trace_result(line.result);
  if (!result) return "a result that makes no sense";
  const std::string_view name = line.name;
  const CallType* const type = type_named(name);
  const bool continued = line.kind == TraceLine::Kind::Continued;
  Task& task = this->task(tid);
  TraceArguments arguments;
  const bool known = !continued || task.in == name;
  if (!continued) {
    auto parsed = parse_trace_arguments(type, line.arguments);
    if (!parsed) return "arguments that make no sense";
    arguments = *parsed;
  } else if (known) {
    arguments = task.arguments;
  } else if (makes_thread(type) && *result == 0 && !task.born) {
    // The child's own return: often before anything is printed of its parent's call.
    task.loading = false;
    if (!task.parent) {
      task.made_by = name;
      task.awaited = true;
    }
    return nullptr;
  }
  task.in.reset();
  task.loading = false;
  unknown_flags_ += arguments.unknown;
  bear(tid, task, name);
  if (is_exec(name)) {
    if (*result != 0) return nullptr;
    const std::string_view file = arguments.filename;
    const bool quoted = file.size() > 2 && file.front() == '"' && file.back() == '"';
    emit(tid, ExecEvent{std::string(quoted ? file.substr(1, file.size() - 2) : line.command),
                        {},
                        {},
                        VirtAddr(0),
                        VirtAddr(0)});
    return nullptr;
  }
  if (type == nullptr) return nullptr;
  arguments.call.type = type;
  if (!known && drmemtrace::changes_memory(type->kind)) {
    ++calls_without_;
    if (!failed(*result)) emit(tid, OtherCallEvent{std::string(name), *result});
  } else if (drmemtrace::changes_memory(type->kind)) {
    return memory_call(tid, task, arguments, *result);
  } else if (drmemtrace::makes_thread(type->kind)) {
    std::erase(makers_, tid);
    if (*result > 0) made(tid, name, arguments, *result);
  } else if (type->kind == CallKind::Exit) {
    exit(tid, arguments, name == "exit_group");
  } else if (type->kind == CallKind::Wait4 && *result > 0) {
    waited(tid, arguments, *result);
  }
  return nullptr;
}

const char* TraceImport::memory_call(uint32_t tid, const Task& task,
                                     const TraceArguments& arguments, int64_t result) {
  std::optional<Event> event;
  if (!arguments.lost) event = memory_event(arguments.call, result);
  if (!event) {
    if (failed(result) || arguments.call.type->kind == CallKind::Prctl) return nullptr;
    event = OtherCallEvent{arguments.call.type->name, result};
  }
  if (auto* const mmap = std::get_if<MmapEvent>(&*event)) mmap->file = arguments.file;
  if (auto* const truncate = std::get_if<TruncateEvent>(&*event)) truncate->file = arguments.file;
  if (auto* const allocate = std::get_if<FallocateEvent>(&*event)) allocate->file = arguments.file;
  emit(tid, task, *event);
  return nullptr;
}

void TraceImport::exit(uint32_t tid, const TraceArguments& arguments, bool whole_process) {
  const uint32_t pid = task(tid).pid;
  Process& process = processes_[pid];
  const int32_t status = status_of_exit(arguments.call.arguments[0]);
  if (process.threads > 0) --process.threads;
  const bool whole = whole_process || process.threads == 0;
  emit(tid, ExitEvent{status, whole});
  tasks_.erase(tid);
  if (!whole) return;
  process.ended = true;
  process.status = status;
}

void TraceImport::made(uint32_t parent, std::string_view name, const TraceArguments& arguments,
                       int64_t child) {
  if (child > kMostThreads) return;
  const auto tid = static_cast<uint32_t>(child);
  const auto found = tasks_.find(tid);
  if (found != tasks_.end() && std::exchange(found->second.awaited, false)) {
    if (found->second.born) return;
  } else {
    tasks_.insert_or_assign(tid, Task{.pid = tid});  // whatever had the number is gone
  }
  Task& task = tasks_[tid];
  task.parent = parent;
  task.made_by = name;
  task.arguments = arguments;
  task.arguments.file = task.arguments.filename = task.arguments.options = {};
  // Of the others the first call tells what it is.
  if (arguments.call.type->kind != CallKind::Clone3) bear(tid, task, {});
}

void TraceImport::waited(uint32_t tid, const TraceArguments& arguments, int64_t child) {
  if (child > kMostThreads) return;
  const auto pid = static_cast<uint32_t>(child);
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  if (!found->second.ended) {
    // It ended without a call, by a signal; unless children that only stop were asked for too.
    const bool stopped = arguments.options.find("UNTRACED") != std::string_view::npos ||
                         arguments.options.find("CONTINUED") != std::string_view::npos;
    if (stopped) return;
    ++killed_;
    emit(pid, ExitEvent{kKilled, true});
    tasks_.erase(pid);
    found->second.status = kKilled;
  }
  const int32_t status = found->second.status;
  processes_.erase(found);
  emit(tid, WaitEvent{Pid(pid), status});
}

void TraceImport::add_remarks(std::vector<Remark>& remarks) const {
  remarks.push_back(
      {"page faults, of which nobody says whether they read or write, taken for reads", faults_});
  remarks.push_back(
      {"page faults whose places are told as those in files, left out", faults_in_files_});
  remarks.push_back(
      {"page faults of programs being loaded and of threads that have made no call, left out",
       faults_loading_});
  remarks.push_back({"calls whose arguments were not seen, left out", calls_without_});
  remarks.push_back({"children of clone3, taken for what their first call says", guessed_});
  remarks.push_back({"children that began before their parents were known", orphans_});
  remarks.push_back({"processes that ended without a call, taken for killed", killed_});
  remarks.push_back({"names of flags that are not known, left out", unknown_flags_});
  remarks.push_back({"records of processes that had ended, left out", after_end_});
  remarks.push_back({"times perf lost records", lost_});
  remarks.push_back({"other lines of perf trace's, left out", others_});
}

}  // namespace mmusim::trace::perf
