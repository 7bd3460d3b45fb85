// The functions of lackey_import.h's template; included there only.
#ifndef MMUSIM_TRACE_IMPORT_LACKEY_IMPORT_IMPL_H_
#define MMUSIM_TRACE_IMPORT_LACKEY_IMPORT_IMPL_H_

#include "trace/import/lackey_import.h"

namespace mmusim::trace::lackey {

template <class Sink>
ImportResult Import<Sink>::run() {
  plan();
  for (;;) {
    if (ready_.empty() && !start_something()) break;
    const Pid pid = ready_.front();
    ready_.pop_front();
    turn(pid);
    if (task(pid).state == State::Ready) ready_.push_back(pid);
    check_interrupt();
    if (options_.progress) options_.progress(stored_done_, stored_total_);
  }
  result_.remarks.push_back(
      {"programs mapped, with their loaders, where Valgrind puts them (assumed, and their first "
       "instructions agree)",
       placed_});
  result_.remarks.push_back(
      {"programs not mapped: their files are not below --files, or begin elsewhere", not_placed_});
  return std::move(result_);
}

// One task per process; those that nothing in these logs can have made begin at once.
template <class Sink>
void Import<Sink>::plan() {
  for (size_t i = 0; i < logs_.size(); ++i) {
    Task& task = tasks_.try_emplace(logs_[i].pid, logs_[i].pid).first->second;
    if (task.logs_end == 0) task.next_log = i;
    task.logs_end = i + 1;
    stored_total_ += logs_[i].stored_bytes;
  }
  for (auto& [pid, task] : tasks_) {
    const Log& first = logs_[task.next_log];
    if (!first.forked && !tasks_.contains(first.parent)) start(pid);
  }
}

template <class Sink>
void Import<Sink>::start(Pid pid) {
  task(pid).state = State::Ready;
  ready_.push_back(pid);
}

// When no process can go on: one whose beginning no log tells; else one whose wait cannot be met.
template <class Sink>
bool Import<Sink>::start_something() {
  for (auto& [pid, task] : tasks_) {
    if (task.state != State::Unborn) continue;
    warn(fmt::format("No log tells how process {} began; it was started when no other could run.",
                     pid.value()));
    start(pid);
    return true;
  }
  for (auto& [pid, task] : tasks_) {
    if (task.state != State::InVfork && task.state != State::InWait) continue;
    warn(fmt::format("What process {} waits for does not come; it was let go on.", pid.value()));
    task.waiting.reset();
    start(pid);
    return true;
  }
  return false;
}

template <class Sink>
void Import<Sink>::turn(Pid pid) {
  Task& task = this->task(pid);
  if (task.waiting) {
    Effect effect = std::move(*task.waiting);
    task.waiting.reset();
    act(pid, task, std::move(effect));
  }
  uint64_t budget = options_.quantum;
  while (task.state == State::Ready) {
    if (!task.lines && !open_next_log(task)) {
      end(pid, task);
      break;
    }
    if (task.lines->begin() == task.lines->end()) {
      check_interrupt();
      const uint64_t before = task.lines->source().stored_bytes_read();
      const bool more = task.lines->refill();
      stored_done_ += task.lines->source().stored_bytes_read() - before;
      result_.input_bytes += static_cast<uint64_t>(task.lines->end() - task.lines->begin());
      if (!more && end_of_lines(pid, task)) continue;
    }
    if (task.process->undecided()) {
      decide(pid, task);
      continue;
    }
    go_on(task);
    if (references(task, budget)) break;
  }
  if (task.lines && open_files_ > kMaxOpenFiles) task.lines->source().release();
}

// The first instruction after a signal handler tells what became of the call it interrupted.
template <class Sink>
void Import<Sink>::decide(Pid pid, Task& task) {
  ReferenceLine ref{};
  const bool known = task.lines && task.lines->begin() != task.lines->end() &&
                     parse_reference(task.lines->begin(), ref) != nullptr &&
                     ref.kind == AccessKind::Fetch;
  effects_.clear();
  task.process->decide(known ? ref.address : 0, effects_);
  const std::vector<Effect> effects = std::move(effects_);
  for (const Effect& effect : effects)
    act(pid, task, effect);
}

// Reads lines up to the end of the buffer, something that makes the process wait, or the end of its
// turn (true).
template <class Sink>
bool Import<Sink>::references(Task& task, uint64_t& budget) {
  const Pid pid = logs_[task.next_log - 1].pid;
  LineBuffer& lines = *task.lines;
  const char* const end = lines.end();
  const char* p = lines.begin();
  uint64_t count = 0;
  uint64_t last_instruction = task.last_instruction;
  bool turn_over = false;
  const auto save = [&] {
    lines.consume(p);
    if (count != 0) task.process->past_references(last_instruction);
    task.line += count;
    result_.input_records += count;
    task.last_instruction = last_instruction;
    count = 0;
  };
  bool have_instruction = have_instruction_;
  bool cut = !task.cut.empty();
  while (p < end) {
    ReferenceLine ref;  // NOLINT: set by parse_reference where it is used
    const char* const next = cut ? nullptr : parse_reference(p, ref);
    if (next != nullptr) [[likely]] {
      if (ref.kind == AccessKind::Fetch) {
        if (ref.size <= kMaxInstructionBytes) [[likely]] {
          if (budget == 0) {
            turn_over = true;
            break;
          }
          --budget;
          sink_.instruction(VirtAddr(ref.address), ref.size);
          last_instruction = ref.address;
          have_instruction = true;
          ++count;
          p = next;
          continue;
        }
      } else if (have_instruction && ref.size <= kMaxAccessBytes) [[likely]] {
        sink_.access(ref.kind, VirtAddr(ref.address), ref.size);
        ++count;
        p = next;
        continue;
      }
    }
    const void* newline = std::memchr(p, '\n', static_cast<size_t>(end - p));
    const size_t length = static_cast<size_t>(static_cast<const char*>(newline) - p) + 1;
    save();
    have_instruction_ = have_instruction;
    const bool goes_on = other_line(pid, task, std::string_view(p, length));
    have_instruction = have_instruction_;
    last_instruction = task.last_instruction;
    cut = !task.cut.empty();
    p = lines.begin();
    if (!goes_on) return false;
  }
  have_instruction_ = have_instruction;
  save();
  return turn_over;
}

// Whether `text` begins with a reference line. REQUIRES: 64 bytes behind it can be read.
template <class Sink>
bool Import<Sink>::is_reference(std::string_view text, ReferenceLine& ref) const {
  return text.ends_with('\n') && parse_reference(text.data(), ref) != nullptr;
}

// A line (or the rest of one) that is not a plain reference, or the rest of one that a message cut.
// False: the process cannot go on now.
template <class Sink>
bool Import<Sink>::other_line(Pid pid, Task& task, std::string_view text) {
  if (task.cut.empty() || Process::is_message(text)) return whole_line(pid, task, text, 0);
  ReferenceLine ref;  // NOLINT: set by parse_reference where it is used
  if (text.starts_with("SYSCALL[") || is_reference(text, ref)) {
    task.cut.clear();
    refuse(task, "the rest of a line is missing that a message of Valgrind cut");
    return whole_line(pid, task, text, 0);
  }
  const size_t kept = task.cut.size();
  joined_ = std::exchange(task.cut, {});
  joined_ += text;
  const size_t bytes = joined_.size();
  joined_.resize(bytes + LineBuffer::kPadding);
  return whole_line(pid, task, std::string_view(joined_).substr(0, bytes), kept);
}

// The first `kept` bytes of `text` are of the line before.
template <class Sink>
bool Import<Sink>::whole_line(Pid pid, Task& task, std::string_view text, size_t kept) {
  const auto used_up = [&](size_t bytes) {
    if (task.lines->begin() != task.lines->end())
      task.lines->consume(task.lines->begin() + (bytes - kept));
    if (bytes == 0 || text[bytes - 1] != '\n') return;
    ++task.line;
    ++result_.input_records;
  };
  ReferenceLine ref;  // NOLINT: set by parse_reference where it is used
  if (is_reference(text, ref)) {
    odd_reference(task, ref);
    used_up(text.size());
    return true;
  }
  effects_.clear();
  if (const size_t cut = task.process->cut_by_message(text); cut < text.size()) {
    if (cut > LineBuffer::kMaxLine) {
      refuse(task, fmt::format("a line longer than {} bytes", LineBuffer::kMaxLine));
    } else {
      task.cut = text.substr(0, cut);
    }
    task.process->line(text.substr(cut), effects_);
    used_up(text.size());
    return true;
  }
  const size_t used = task.process->line(text, effects_);
  if (used <= kept) {
    refuse(task, used == 0 ? task.process->complaint() : "a line that a message cut goes on oddly");
    used_up(text.size());
    return true;
  }
  used_up(used);
  for (Effect& effect : effects_)
    act(pid, task, std::move(effect));
  if (task.state != State::Ready || task.process->undecided()) return false;
  go_on(task);
  return true;
}

// A reference that the fast way does not take.
template <class Sink>
void Import<Sink>::odd_reference(Task& task, const ReferenceLine& ref) {
  if (ref.kind == AccessKind::Fetch) {
    if (ref.size > kMaxInstructionBytes)
      return refuse(task, fmt::format("an instruction of {} bytes", ref.size));
    sink_.instruction(VirtAddr(ref.address), ref.size);
    task.last_instruction = ref.address;
    task.process->past_references(ref.address);
    have_instruction_ = true;
  } else if (!have_instruction_) {
    refuse(task, "a data access without an instruction before it");
  } else {
    for (uint32_t done = 0; done < ref.size; done += kMaxAccessBytes) {
      sink_.access(ref.kind, VirtAddr(ref.address) + done,
                   std::min<uint32_t>(kMaxAccessBytes, ref.size - done));
    }
  }
}

// The buffer has no more whole lines. True: the log has been closed.
template <class Sink>
bool Import<Sink>::end_of_lines(Pid pid, Task& task) {
  if (task.lines->too_long()) {
    refuse(task, fmt::format("a line longer than {} bytes", LineBuffer::kMaxLine));
    task.lines->skip_long_line();
    ++task.line;
    ++result_.input_records;
    return false;
  }
  result_.input_bytes += task.lines->tail().size();
  const std::string tail = std::exchange(task.cut, {}) + std::string(task.lines->tail());
  if (!tail.empty()) {
    // A successful execve leaves its line so; everything else was cut off.
    effects_.clear();
    const bool reference = tail[0] == 'I' || (tail[0] == ' ' && !tail.starts_with(" --> "));
    const size_t used = reference ? 0 : task.process->line(tail, effects_);
    std::vector<Effect> effects = std::move(effects_);
    for (Effect& effect : effects)
      act(pid, task, std::move(effect));
    if (used != tail.size()) {
      warn(fmt::format("{}:{}: the log ends in the middle of a line, which was left out.",
                       current_log(task).path, task.line + 1));
    }
  }
  task.process->close();
  task.lines.reset();
  --open_files_;
  task.last_instruction = 0;
  return true;
}

template <class Sink>
bool Import<Sink>::open_next_log(Task& task) {
  if (task.next_log == task.logs_end) return false;
  Log& log = logs_[task.next_log++];
  task.line = log.kept_lines;
  if (log.kept) {
    task.lines = std::move(log.kept);
  } else {
    task.lines = std::make_unique<LineBuffer>(log.path);
    task.line = 0;
  }
  result_.input_records += task.line;
  ++open_files_;
  const bool goes_on_from_fork = log.forked && task.by_fork && !task.begun;
  task.begun = true;
  if (!goes_on_from_fork) {
    effects_.clear();
    task.process->exec(log.command, effects_);
    for (const Effect& effect : effects_)
      emit(effect);
    place_program(log);
    if (task.wake_at_exec) wake(*std::exchange(task.wake_at_exec, std::nullopt), State::InVfork);
  }
  return true;
}

// What Valgrind has mapped of the program that was just told, where its files are known.
template <class Sink>
void Import<Sink>::place_program(const Log& log) {
  if (!options_.image_of) return;
  const Effect exec = effects_.back();
  const auto mappings =
      place(std::get<ExecEvent>(exec.event).program, log.first, options_.image_of);
  for (const MmapEvent& mapping : mappings)
    emit({.thread = exec.thread, .event = mapping, .child = {}});
  ++(mappings.empty() ? not_placed_ : placed_);
}

template <class Sink>
void Import<Sink>::act(Pid pid, Task& task, Effect effect) {
  switch (effect.then) {
    case Effect::Then::Nothing:
      emit(effect);
      break;
    case Effect::Then::Birth:
      birth(pid, task, effect);
      break;
    case Effect::Then::Reaped:
    case Effect::Then::ReapedSome:
      wait(pid, task, std::move(effect));
      break;
  }
}

template <class Sink>
void Import<Sink>::birth(Pid parent, Task& caller, const Effect& effect) {
  const Pid pid = effect.child;
  if (tasks_.size() >= kMaxProcesses) {
    throw Error(fmt::format("{}:{}", current_log(caller).path, caller.line),
                fmt::format("more than {} processes", kMaxProcesses));
  }
  const auto [place, is_new] = tasks_.try_emplace(pid, pid);
  Task& child = place->second;
  if (child.state == State::Ended) {  // the pid is used again
    child = Task(pid);
  } else if (child.state != State::Unborn) {
    refuse(caller, fmt::format("the birth of process {}, which is already there", pid.value()));
    return;
  }
  if (child.next_log == child.logs_end) {
    warn(fmt::format("Process {} has no log; it was taken to end at once.", pid.value()));
  }
  emit(effect);
  child.process = std::make_unique<Process>(caller.process->child(pid));
  child.by_fork = true;
  start(pid);
  caller.children.push_back(pid);
  if (effect.vfork) {
    child.wake_at_exec = parent;
    caller.state = State::InVfork;
  }
}

// The result of a wait: written when the child has ended, else kept until then.
template <class Sink>
void Import<Sink>::wait(Pid pid, Task& task, Effect effect) {
  Pid child = effect.child;
  if (effect.then == Effect::Then::ReapedSome) {
    if (task.children.empty()) return;  // children that are not in the trace
    const auto ended = std::find_if(task.children.begin(), task.children.end(), [this](Pid some) {
      return this->task(some).state == State::Ended;
    });
    if (ended == task.children.end()) {
      for (const Pid some : task.children)
        wake_when_ended(pid, this->task(some));
      task.state = State::InWait;
      task.waiting = std::move(effect);
      return;
    }
    child = *ended;
  }
  WaitEvent event{.child = child, .status = 0};
  const auto known = tasks_.find(child);
  if (known != tasks_.end() && child != pid) {
    Task& waited = known->second;
    if (waited.state == State::Unborn) {
      warn(fmt::format("No log tells how process {} began; it was started when {} waited for it.",
                       child.value(), pid.value()));
      start(child);
    }
    if (waited.state != State::Ended) {
      wake_when_ended(pid, waited);
      task.state = State::InWait;
      task.waiting = std::move(effect);
      return;
    }
    if (std::exchange(waited.reaped, true)) return;
    event.status = waited.status;
  }
  std::erase(task.children, child);
  effect.event = event;
  emit(effect);
}

template <class Sink>
void Import<Sink>::end(Pid pid, Task& task) {
  if (task.process->ended()) {
    task.status = *task.process->ended();
  } else {
    task.status = kStatusKilled;
    if (task.process->in_execve()) {
      warn(
          fmt::format("Process {} went on as a program that has no log; it was taken to end there.",
                      pid.value()));
      task.status = 0;
    } else if (task.begun) {
      warn(fmt::format(
          "The log of process {} does not tell how it ended; it was taken to be killed.",
          pid.value()));
    }
  }
  emit({.thread = task.process->running(),
        .event = ExitEvent{.status = task.status, .whole_process = true},
        .child = {}});
  task.state = State::Ended;
  task.process.reset();
  if (task.wake_at_exec) wake(*std::exchange(task.wake_at_exec, std::nullopt), State::InVfork);
  const std::vector<Pid> waiters = std::move(task.wake_at_end);
  task.wake_at_end = {};
  for (const Pid waiter : waiters)
    wake(waiter, State::InWait);
}

template <class Sink>
void Import<Sink>::wake_when_ended(Pid waiter, Task& waited) {
  std::vector<Pid>& list = waited.wake_at_end;
  if (std::find(list.begin(), list.end(), waiter) == list.end()) list.push_back(waiter);
}

template <class Sink>
void Import<Sink>::wake(Pid pid, State from) {
  if (task(pid).state == from) start(pid);
}

template <class Sink>
void Import<Sink>::emit(const Effect& effect) {
  if (effect.thread != current_) sink_.thread(effect.thread);
  current_ = effect.thread;
  sink_.event(effect.event);
  have_instruction_ = false;
}

// What follows is the running thread's.
template <class Sink>
void Import<Sink>::go_on(const Task& task) {
  const ThreadId thread = task.process->running();
  if (thread == current_) return;
  sink_.thread(thread);
  current_ = thread;
  have_instruction_ = false;
}

// Throws, or counts what was refused as skipped.
template <class Sink>
void Import<Sink>::refuse(const Task& task, const std::string& what) {
  if (options_.strict) {
    throw Error(fmt::format("{}:{}", current_log(task).path, task.line + 1), what,
                "--lenient skips such lines");
  }
  ++result_.skipped_records;
}

}  // namespace mmusim::trace::lackey

#endif  // MMUSIM_TRACE_IMPORT_LACKEY_IMPORT_IMPL_H_
