#include "trace/import/lackey_process.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "trace/import/words.h"

namespace mmusim::trace::lackey {
namespace {

// Beyond these a log is nonsense, and memory must not follow it.
constexpr size_t kMaxOpenText = 16384;
constexpr size_t kMaxPending = 16;
constexpr size_t kMaxMarks = 16;                          // of messages, in one line
constexpr std::string_view kWaited = "... [async] --> ";  // its result
constexpr uint64_t kSyscallBytes = 2;  // of x86's system call instructions, all of them

}  // namespace

std::vector<std::string> split_command(std::string_view command) {
  std::vector<std::string> words;
  bool inside = false;
  for (size_t i = 0; i < command.size(); ++i) {
    if (command[i] == ' ') {
      inside = false;
      continue;
    }
    if (command[i] == '\\' && i + 1 < command.size()) ++i;
    if (!inside) words.emplace_back();
    inside = true;
    words.back().push_back(command[i]);
  }
  return words;
}

Process Process::child(Pid pid) const {
  Process born(pid);
  born.files_ = files_;
  return born;
}

void Process::forget_threads() {
  threads_.clear();
  numbered_.clear();
  unseen_.clear();
  half_lines_.clear();
  returned_.reset();
  open_.reset();
  main_seen_ = false;
  log_start_ = true;
  running_ = Tid(pid_.value());
  threads_[running_];
}

void Process::exec(const std::string& command, std::vector<Effect>& effects) {
  const std::string path = in_execve() ? parse_call(open_->text).path : std::string();
  forget_threads();
  ended_.reset();
  std::erase_if(files_, [](const auto& entry) { return entry.second.close_on_exec; });
  ExecEvent event;
  event.arguments = split_command(command);
  if (!path.empty()) {
    event.program = path;
  } else if (!event.arguments.empty()) {
    event.program = event.arguments[0];
  }
  effects.push_back({.thread = running(), .event = std::move(event), .child = {}});
}

bool Process::in_execve() const {
  return open_ &&
         (open_->text.starts_with("sys_execve ") || open_->text.starts_with("sys_execveat "));
}

void Process::close() {
  if (ended_ || !open_ || !open_->text.starts_with("exit_group(")) return;
  const Call call = parse_call(open_->text);
  if (call.complete && !call.arguments.empty()) ended_ = status_of_exit(call.arguments[0]);
}

size_t Process::refuse(const char* why) {
  complaint_ = why;
  return 0;
}

void Process::run(Tid tid) {
  running_ = tid;
  Thread& thread = threads_[tid];
  thread.waiting = false;
  thread.ran = ++clock_;
}

// The thread that ran last among those that can; if none can, nothing is known and nothing changes.
void Process::run_another(Tid than) {
  const std::pair<const Tid, Thread>* best = nullptr;
  for (const auto& entry : threads_) {
    if (entry.first == than || entry.second.waiting) continue;
    if (best == nullptr || entry.second.ran > best->second.ran) best = &entry;
  }
  if (best != nullptr) running_ = best->first;
}

std::optional<Tid> Process::thread_numbered(uint32_t number) {
  const auto known = numbered_.find(number);
  if (known != numbered_.end()) return known->second;
  Tid tid;
  if (!main_seen_) {
    tid = Tid(pid_.value());  // the first to speak is the one that called fork or execve
    main_seen_ = true;
  } else if (!unseen_.empty()) {
    tid = unseen_.front();
    unseen_.pop_front();
  } else {
    return std::nullopt;
  }
  numbered_[number] = tid;
  return tid;
}

size_t Process::line(std::string_view text, std::vector<Effect>& effects) {
  const bool first = std::exchange(log_start_, false);
  // The newline of a result that something was glued to.
  const size_t blank = text.starts_with(" \n") && !half_lines_.empty() ? 1 : 0;
  if (text.substr(blank).starts_with('\n')) {
    if (!half_lines_.empty()) {
      run(half_lines_.back());
      half_lines_.pop_back();
    }
    return blank + 1;
  }
  if (is_message(text) && begins_other_log(text)) {
    return refuse(
        "the log of another program begins here: each needs a file of its own "
        "(--log-file=NAME.%p.%n)");
  }
  if (const size_t used = message(text)) {
    log_start_ = first;
    return used;
  }
  if (text.starts_with("SYSCALL[")) return call_line(text, effects);
  if (continues_call(text)) return call_text(text, effects);
  if (text.starts_with(" --> ")) {
    // The child's side of a fork begins with the rest of the line that called it.
    const CallResult result = find_result(text);
    if (!first || result.outcome != Outcome::Success || result.value != 0) {
      return refuse("a result without a call");
    }
    return finish_line(running_, {}, text, result.end);
  }
  return refuse("neither a reference nor a system call nor a message of Valgrind");
}

// Whether `text`, which begins a line, is more of the open call's: its result, what a message or a
// newline in a file's name kept from the line before.
bool Process::continues_call(std::string_view text) const {
  if (!open_) return false;
  if (open_->cut || text.starts_with(" --> ")) return true;
  if (open_->text.size() + text.size() > kMaxOpenText) return false;
  const Call call = parse_call(open_->text);
  return call.has_path && !call.complete;
}

// Calls whose head is there go on by themselves: call_text() knows a message in them.
size_t Process::cut_by_message(std::string_view text) const {
  const size_t at = message_begin(text, 1);
  if (at == std::string_view::npos || is_message(text)) return std::string_view::npos;
  const std::string_view before = text.substr(0, at);
  if (find_result(before).outcome != Outcome::None) return std::string_view::npos;
  const std::optional<CallHead> head = parse_call_head(before);
  if (head) {
    // Where the result of a call that waited is cut, its line says nothing yet.
    const std::string_view body = before.substr(head->bytes);
    const bool result = body.starts_with(kWaited) || kWaited.starts_with(body);
    return result ? at : std::string_view::npos;
  }
  if (!text.starts_with("SYSCALL[") && continues_call(text)) return std::string_view::npos;
  return at;
}

// "==123== ", "--123-- " or "**123** ": what Valgrind says about the process.
bool Process::is_message(std::string_view text) {
  if (text.size() < 5 || text[0] != text[1] ||
      (text[0] != '=' && text[0] != '-' && text[0] != '*')) {
    return false;
  }
  size_t at = 2;
  while (at < text.size() && is_digit(text[at]))
    ++at;
  return at != 2 && at + 1 < text.size() && text[at] == text[0] && text[at + 1] == text[0];
}

// Logs put into one file, one behind the other.
bool Process::begins_other_log(std::string_view text) const {
  const std::string_view mark("== Lackey, an example Valgrind tool");
  const size_t at = text.find(mark);
  return at != std::string_view::npos && text.substr(2, at - 2) != std::to_string(pid_.value());
}

size_t Process::message(std::string_view text) {
  if (!is_message(text)) return 0;
  constexpr std::string_view kKilled = "Process terminating with default action of signal ";
  const size_t killed = text.find(kKilled);
  if (killed != std::string_view::npos) {
    const char* number = text.data() + killed + kKilled.size();
    unsigned signal = 0;
    std::from_chars(number, text.data() + text.size(), signal);
    if (signal >= 1 && signal <= 64) ended_ = static_cast<int32_t>(signal);
  }
  return text.size();
}

// Where in a line Valgrind begins to say something about this process: it does not end its own
// lines first.
size_t Process::message_begin(std::string_view text, size_t from) const {
  size_t begin = std::string_view::npos;
  for (const char mark : {'=', '-', '*'}) {
    const std::string twice(2, mark);
    begin = std::min(begin, text.find(fmt::format("{0}{1}{0} ", twice, pid_.value()), from));
  }
  return begin;
}

size_t Process::call_line(std::string_view text, std::vector<Effect>& effects) {
  const std::optional<CallHead> head = parse_call_head(text);
  if (!head) return refuse("a system call line whose start makes no sense");
  if (head->pid != pid_.value()) return refuse("a system call of another process");
  const std::optional<Tid> tid = thread_numbered(head->tid);
  if (!tid) return refuse("a system call of a thread that was never created");
  run(*tid);
  const std::string_view body = text.substr(head->bytes);
  if (body.starts_with(kWaited)) {
    Thread& thread = threads_[*tid];
    while (!thread.pending.empty() && thread.pending.back().number != head->number) {
      thread.pending.pop_back();  // of a handler that was left by longjmp
    }
    if (thread.pending.empty()) return refuse("the result of a system call that was not begun");
    const Call call = std::move(thread.pending.back().call);
    thread.pending.pop_back();
    const CallResult result = find_result(body);
    if (result.outcome == Outcome::None || result.outcome == Outcome::Waiting) {
      return refuse("a system call's result that makes no sense");
    }
    if (!settle(*tid, head->number, call, result, effects)) return 0;
    const size_t used = finish_line(*tid, call, body, result.end);
    return used == 0 ? 0 : head->bytes + used;
  }
  open_ = OpenCall{*tid, head->number, {}};
  const size_t used = call_text(body, effects);
  return used == 0 ? 0 : head->bytes + used;
}

// Where in `text`, more of the open call's, a message begins that is not part of a file's name and
// not behind the result; npos if there is none.
size_t Process::cut_in_call(std::string_view text) const {
  const size_t first = message_begin(text, 0);
  size_t looked_at = 0;
  for (size_t at = first; at != std::string_view::npos && looked_at < kMaxMarks;
       at = message_begin(text, at + 1), ++looked_at) {
    const std::string whole = open_->text + std::string(text.substr(0, at));
    if (find_result(whole).outcome != Outcome::None) break;
    if (parse_call(whole).complete) return at;
  }
  if (first == std::string_view::npos) return first;
  const std::string whole = open_->text + std::string(text);
  const CallResult result = find_result(whole);
  const std::string_view call = std::string_view(whole).substr(
      0, result.outcome == Outcome::None ? whole.size() : result.begin);
  if (result.outcome != Outcome::None && result.begin < open_->text.size() + first)
    return std::string_view::npos;
  return parse_call(call).complete ? std::string_view::npos : first;
}

// More text of the open call. A result may be in it, and something glued behind that.
size_t Process::call_text(std::string_view text, std::vector<Effect>& effects) {
  const size_t cut = cut_in_call(text);
  open_->cut = cut != std::string_view::npos;
  if (open_->cut) {
    if (open_->text.size() + cut > kMaxOpenText) return refuse("a system call of too many words");
    open_->text += text.substr(0, cut);
    return message(text.substr(cut)) == 0 ? 0 : text.size();
  }
  const size_t before = open_->text.size();
  if (before + text.size() > kMaxOpenText) return refuse("a system call of too many words");
  open_->text += text;
  const CallResult result = find_result(open_->text);
  if (result.outcome == Outcome::None) return text.size();
  const OpenCall open = std::move(*open_);
  open_.reset();
  const Call call = parse_call(std::string_view(open.text).substr(0, result.begin));
  if (!settle(open.tid, open.number, call, result, effects)) return 0;
  return finish_line(open.tid, call, text, result.end - before);
}

// Acts on a call's result. False: refused.
bool Process::settle(Tid tid, uint64_t number, const Call& call, const CallResult& result,
                     std::vector<Effect>& effects) {
  if (result.outcome == Outcome::Waiting) {
    Thread& thread = threads_[tid];
    thread.waiting = true;
    std::vector<Pending>& pending = thread.pending;
    const bool again = !pending.empty() && pending.back().number == number &&
                       pending.back().at == last_instruction_ &&
                       pending.back().call.arguments == call.arguments;
    if (again) pending.pop_back();
    if (pending.size() == kMaxPending) pending.erase(pending.begin());
    pending.push_back({call, number, last_instruction_});
    run_another(tid);
    return true;
  }
  Effect effect{.thread = {pid_, tid}, .event = {}, .child = {}};
  switch (memory_event(call, result, effect.event)) {
    case Reading::Done:
      effects.push_back(std::move(effect));
      return true;
    case Reading::Wrong:
      return refuse("a system call with too few arguments") != 0;
    case Reading::Other:
      break;
  }
  const Reading process = process_event(tid, number, call, result, effects);
  if (process == Reading::Other) file_call(call, result);
  if (process == Reading::Wrong) return refuse("a system call with too few arguments") != 0;
  return true;
}

void Process::decide(uint64_t address, std::vector<Effect>& effects) {
  const Tid tid = *returned_;
  returned_.reset();
  const auto thread = threads_.find(tid);
  if (thread == threads_.end() || running_ != tid || thread->second.pending.empty()) return;
  std::vector<Pending>& pending = thread->second.pending;
  const bool restarted = address == pending.back().at;
  const bool done = address == pending.back().at + kSyscallBytes;
  if (!restarted && !done) return;  // into another handler, or out of one
  const Pending call = std::move(pending.back());
  pending.pop_back();
  if (done) lost_result(tid, call, effects);
}

// `at` is behind a result. Its newline comes only when the thread that made the call goes on:
// whatever stands there instead is another thread's.
size_t Process::finish_line(Tid tid, const Call& call, std::string_view text, size_t at) {
  if (at >= text.size()) return at;
  if (text[at] == '\n') return at + 1;
  if (half_lines_.size() >= kMaxThreads) return refuse("too many unfinished lines");
  half_lines_.push_back(tid);
  if (call.name == "sys_clone" && !unseen_.empty()) {
    run(unseen_.back());
  } else {
    run_another(tid);
  }
  return at;
}

}  // namespace mmusim::trace::lackey
