#include "trace/import/perf_calls.h"

#include <charconv>

#include "base/linux_abi.h"
#include "trace/import/words.h"

namespace mmusim::trace::perf {
namespace {

using drmemtrace::Call;
using drmemtrace::CallKind;

// "NR 9 ", which it takes away.
std::optional<uint64_t> take_number(std::string_view& rest) {
  if (next_word(rest) != "NR") return std::nullopt;
  return whole_number(next_word(rest));
}

constexpr const char* kNoArguments =
    "a system call without its arguments (perf script -F pid,tid,time,event,addr,ip,trace)";

}  // namespace

const char* ScriptCalls::enter(ThreadId thread, std::string_view rest) {
  const auto number = take_number(rest);
  if (!number) return kNoArguments;
  if (!isa_)
    return "numbers of system calls are known of x86_64, i386, aarch64 and arm (--perf.isa)";
  Call call;
  call.number = *number;
  call.type = drmemtrace::call_type(*isa_, *number);
  if (call.type == nullptr) {
    open_.erase(key(thread));
    return nullptr;
  }
  std::string_view word = next_word(rest);
  if (!word.starts_with('(')) return kNoArguments;
  word.remove_prefix(1);
  for (uint64_t& argument : call.arguments) {
    const char* const end = word.data() + word.size();
    const auto [at, error] = std::from_chars(word.data(), end, argument, 16);
    if (error != std::errc() || at == end) return "arguments that make no sense";
    ++call.given;
    if (*at == ')') break;
    word = next_word(rest);
  }
  if (open_.size() >= kMost && open_.count(key(thread)) == 0)
    return "more than 65536 threads are in system calls";
  open_.insert_or_assign(key(thread), Open{call, {}});
  return nullptr;
}

const char* ScriptCalls::exit(ThreadId thread, std::string_view rest) {
  const auto number = take_number(rest);
  if (!number || next_word(rest) != "=") return kNoArguments;
  const auto result = whole_number<int64_t>(next_word(rest));
  if (!result) return "a result that makes no sense";
  const auto open = open_.find(key(thread));
  if (open == open_.end()) return nullptr;
  Open made = std::move(open->second);
  open_.erase(open);
  if (made.call.number != *number) return nullptr;
  const CallKind kind = made.call.type->kind;
  std::optional<Event> event;
  if (drmemtrace::changes_memory(kind)) {
    event = memory_event(made.call, *result);
    if (auto* const mmap = event ? std::get_if<MmapEvent>(&*event) : nullptr)
      mmap->file = std::move(made.file);
    if (!event && !failed(*result) && kind != CallKind::Prctl)
      event = OtherCallEvent{made.call.type->name, *result};
  } else if (kind == CallKind::Wait4 && *result > 0 && *result <= UINT32_MAX) {
    const Pid child(static_cast<uint32_t>(*result));
    if (const auto found = ended_.find(child); found != ended_.end()) {
      event = WaitEvent{child, found->second};
      ended_.erase(found);
    }
  }
  if (!event) return nullptr;
  stream_.thread(thread);
  stream_.event(*event);
  return nullptr;
}

bool ScriptCalls::tells_mapping(ThreadId thread, std::string_view file) {
  const auto open = open_.find(key(thread));
  if (open == open_.end()) return false;
  const CallKind kind = open->second.call.type->kind;
  if (!drmemtrace::changes_memory(kind) || kind == CallKind::OtherMemory) return false;
  open->second.file = file;
  return true;
}

std::optional<uint64_t> ScriptCalls::fork(ThreadId parent, bool of_thread) {
  const auto open = open_.find(key(parent));
  if (open == open_.end()) return std::nullopt;
  switch (open->second.call.type->kind) {
    case CallKind::Vfork:
      return abi::kSignalChild | abi::kCloneVm | abi::kCloneVfork;
    case CallKind::Clone:
      return open->second.call.arguments[0];
    case CallKind::Clone3:
      if (!of_thread) ++guessed_;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

int32_t ScriptCalls::ended(ThreadId thread, bool whole_process) {
  int32_t status = 0;
  if (const auto open = open_.find(key(thread)); open != open_.end()) {
    if (open->second.call.type->kind == CallKind::Exit)
      status = status_of_exit(open->second.call.arguments[0]);
    open_.erase(open);
  }
  if (!whole_process || !isa_) return status;
  if (ended_.size() >= kMost) ended_.clear();
  ended_.insert_or_assign(thread.pid, status);
  return status;
}

void ScriptCalls::add_remarks(std::vector<Remark>& remarks) const {
  remarks.push_back(
      {"processes made by clone3, whose flags are not told, taken for copies of their parents",
       guessed_});
}

}  // namespace mmusim::trace::perf
