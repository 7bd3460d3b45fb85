#include "trace/import/perf_trace_line.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <span>

#include "base/linux_abi.h"
#include "trace/import/perf_line.h"
#include "trace/import/words.h"
#include "trace/text_fields.h"

namespace mmusim::trace::perf {
namespace {

using drmemtrace::CallKind;

struct FlagName {
  std::string_view name;
  uint64_t value;
};

constexpr FlagName kProtNames[] = {{"NONE", 0},
                                   {"READ", abi::kProtRead},
                                   {"WRITE", abi::kProtWrite},
                                   {"EXEC", abi::kProtExec},
                                   {"SEM", 8},
                                   {"GROWSDOWN", abi::kProtGrowsDown},
                                   {"GROWSUP", 0x02000000}};
constexpr FlagName kMapNames[] = {{"FILE", 0},
                                  {"SHARED", abi::kMapShared},
                                  {"PRIVATE", abi::kMapPrivate},
                                  {"SHARED_VALIDATE", abi::kMapSharedValidate},
                                  {"DROPPABLE", 8},
                                  {"FIXED", abi::kMapFixed},
                                  {"ANONYMOUS", abi::kMapAnonymous},
                                  {"32BIT", 0x40},
                                  {"GROWSDOWN", abi::kMapGrowsDown},
                                  {"DENYWRITE", 0x800},
                                  {"EXECUTABLE", 0x1000},
                                  {"LOCKED", abi::kMapLocked},
                                  {"NORESERVE", abi::kMapNoReserve},
                                  {"POPULATE", abi::kMapPopulate},
                                  {"NONBLOCK", abi::kMapNonBlock},
                                  {"STACK", 0x20000},
                                  {"HUGETLB", abi::kMapHugeTlb},
                                  {"SYNC", 0x80000},
                                  {"FIXED_NOREPLACE", abi::kMapFixedNoReplace}};
constexpr FlagName kRemapNames[] = {{"MAYMOVE", abi::kRemapMayMove},
                                    {"FIXED", abi::kRemapFixed},
                                    {"DONTUNMAP", abi::kRemapDontUnmap}};
constexpr FlagName kAdviceNames[] = {{"NORMAL", abi::kAdviceNormal},
                                     {"RANDOM", abi::kAdviceRandom},
                                     {"SEQUENTIAL", abi::kAdviceSequential},
                                     {"WILLNEED", abi::kAdviceWillNeed},
                                     {"DONTNEED", abi::kAdviceDontNeed},
                                     {"FREE", abi::kAdviceFree},
                                     {"REMOVE", abi::kAdviceRemove},
                                     {"DONTFORK", abi::kAdviceDontFork},
                                     {"DOFORK", abi::kAdviceDoFork},
                                     {"MERGEABLE", abi::kAdviceMergeable},
                                     {"UNMERGEABLE", abi::kAdviceUnmergeable},
                                     {"HUGEPAGE", abi::kAdviceHugePage},
                                     {"NOHUGEPAGE", abi::kAdviceNoHugePage},
                                     {"DONTDUMP", abi::kAdviceDontDump},
                                     {"DODUMP", abi::kAdviceDoDump},
                                     {"WIPEONFORK", abi::kAdviceWipeOnFork},
                                     {"KEEPONFORK", abi::kAdviceKeepOnFork},
                                     {"COLD", abi::kAdviceCold},
                                     {"PAGEOUT", abi::kAdvicePageOut},
                                     {"POPULATE_READ", abi::kAdvicePopulateRead},
                                     {"POPULATE_WRITE", abi::kAdvicePopulateWrite},
                                     {"DONTNEED_LOCKED", abi::kAdviceDontNeedLocked},
                                     {"COLLAPSE", abi::kAdviceCollapse},
                                     {"HWPOISON", 100},
                                     {"SOFT_OFFLINE", 101},
                                     {"GUARD_INSTALL", abi::kAdviceGuardInstall},
                                     {"GUARD_REMOVE", abi::kAdviceGuardRemove}};
constexpr FlagName kCloneNames[] = {{"VM", abi::kCloneVm},
                                    {"FS", 0x200},
                                    {"FILES", 0x400},
                                    {"SIGHAND", 0x800},
                                    {"PIDFD", 0x1000},
                                    {"PTRACE", 0x2000},
                                    {"VFORK", abi::kCloneVfork},
                                    {"PARENT", 0x8000},
                                    {"THREAD", abi::kCloneThread},
                                    {"NEWNS", 0x20000},
                                    {"SYSVSEM", 0x40000},
                                    {"SETTLS", 0x80000},
                                    {"PARENT_SETTID", 0x100000},
                                    {"CHILD_CLEARTID", 0x200000},
                                    {"DETACHED", 0x400000},
                                    {"UNTRACED", 0x800000},
                                    {"CHILD_SETTID", 0x1000000},
                                    {"NEWCGROUP", 0x2000000},
                                    {"NEWUTS", 0x4000000},
                                    {"NEWIPC", 0x8000000},
                                    {"NEWUSER", 0x10000000},
                                    {"NEWPID", 0x20000000},
                                    {"NEWNET", 0x40000000},
                                    {"IO", 0x80000000}};
// All others are of no interest.
constexpr FlagName kOptionNames[] = {{"SET_THP_DISABLE", drmemtrace::kPrSetThpDisable}};

// Names of a call's arguments, which are those of the kernel's tracepoints, by their place.
struct ArgumentNames {
  CallKind kind;
  std::array<std::string_view, drmemtrace::Call::kMostArguments> names;
};
constexpr ArgumentNames kArguments[] = {
    {CallKind::Mmap, {"addr", "len", "prot", "flags", "fd", "off"}},
    {CallKind::MmapPages, {"addr", "len", "prot", "flags", "fd", "pgoff"}},
    {CallKind::Munmap, {"addr", "len"}},
    {CallKind::Mprotect, {"start", "len", "prot"}},
    {CallKind::Mremap, {"addr", "old_len", "new_len", "flags", "new_addr"}},
    {CallKind::Brk, {"brk"}},
    {CallKind::Madvise, {"start", "len_in", "behavior"}},
    {CallKind::Msync, {"start", "len", "flags"}},
    {CallKind::Lock, {"start", "len"}},
    {CallKind::Lock2, {"start", "len", "flags"}},
    {CallKind::Unlock, {"start", "len"}},
    {CallKind::LockAll, {"flags"}},
    {CallKind::Ftruncate, {"fd", "length"}},
    {CallKind::Fallocate, {"fd", "mode", "offset", "len"}},
    {CallKind::Prctl, {"option", "arg2", "arg3"}},
    {CallKind::Clone, {"clone_flags"}},
    {CallKind::Exit, {"error_code"}},
};

std::span<const FlagName> names_of(CallKind kind, std::string_view argument) {
  if (argument == "prot") return kProtNames;
  if (argument == "flags" && kind == CallKind::Mremap) return kRemapNames;
  if (argument == "flags" && (kind == CallKind::Mmap || kind == CallKind::MmapPages))
    return kMapNames;
  if (argument == "behavior") return kAdviceNames;
  if (argument == "clone_flags") return kCloneNames;
  if (argument == "option") return kOptionNames;
  return {};
}

bool is_name(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// A number, which may be negative.
std::optional<uint64_t> signed_number(std::string_view text) {
  if (!text.starts_with('-')) return parse_number(text);
  const auto value = parse_number(text.substr(1));
  if (!value) return std::nullopt;
  return 0 - *value;
}

// "READ|WRITE|0x8"; newer perfs can write PROT_READ.
std::optional<uint64_t> flag_value(std::string_view word, std::span<const FlagName> names) {
  const auto value_of = [&](std::string_view name) {
    const auto found = std::find_if(names.begin(), names.end(),
                                    [&](const FlagName& flag) { return flag.name == name; });
    return found == names.end() ? std::nullopt : std::optional(found->value);
  };
  if (const auto value = value_of(word)) return value;
  for (const std::string_view prefix : {"MAP_", "PROT_", "MREMAP_", "MADV_", "CLONE_", "PR_"})
    if (word.starts_with(prefix)) return value_of(word.substr(prefix.size()));
  return signed_number(word);
}

// How many characters of a thread's name perf prints.
constexpr size_t kMostCommand = 14;

bool begins_body(std::string_view text) {
  if (text.empty()) return false;
  if (!is_name(text.front())) return text.starts_with(" ... [") || text.starts_with("... [");
  size_t end = 0;
  while (end < text.size() && is_name(text[end]))
    ++end;
  const std::string_view name = text.substr(0, end);
  if (end == text.size()) return false;
  if (text[end] == '(') return true;
  return (name == "minfault" || name == "majfault") && text.substr(end).starts_with(" [");
}

// Takes "NAME/TID " or "TID " from the begin of what stands behind the times.
void take_thread(std::string_view& body, TraceLine& line) {
  const auto take = [&](size_t digits) {
    size_t end = digits;
    uint32_t tid = 0;
    const auto [at, error] = std::from_chars(body.data() + digits, body.data() + body.size(), tid);
    end = static_cast<size_t>(at - body.data());
    if (error != std::errc() || tid == 0 || end == body.size() || body[end] != ' ' ||
        !begins_body(body.substr(end + 1)))
      return false;
    line.tid = tid;
    line.command = body.substr(0, digits == 0 ? 0 : digits - 1);
    body.remove_prefix(end + 1);
    return true;
  };
  if (take(0)) return;
  // The name may have any characters in it.
  for (size_t slash = body.find('/'); slash <= kMostCommand; slash = body.find('/', slash + 1))
    if (take(slash + 1)) return;
}

// "NAME(ARGUMENTS)   = RESULT", or "NAME(ARGUMENTS)   ..."
void take_call(std::string_view body, TraceLine& line) {
  const size_t open = body.find('(');
  if (open == std::string_view::npos) return;
  const std::string_view name = body.substr(0, open);
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_name)) return;
  std::string_view call = trimmed(body);
  std::string_view result;
  TraceLine::Kind kind = TraceLine::Kind::Whole;
  if (call.ends_with('.') && (call.ends_with(" ...") || call.ends_with(")..."))) {
    kind = TraceLine::Kind::Begun;
    call.remove_suffix(3);
  } else if (call.ends_with(" =")) {
    call.remove_suffix(2);
  } else {
    const size_t equals = call.rfind(" = ");
    if (equals == std::string_view::npos) return;
    result = trimmed(call.substr(equals + 3));
    call = call.substr(0, equals);
  }
  call = trimmed(call);
  if (!call.ends_with(')') || call.size() <= open + 1) return;
  line.kind = kind;
  line.name = name;
  line.arguments = call.substr(open + 1, call.size() - open - 2);
  line.result = result;
}

// "0.068 ( 0.020 ms): " or "? (         ): ", which it takes away.
bool take_times(std::string_view& text) {
  text = trimmed(text);
  const std::string_view time = next_word(text);
  if (time != "?" && !is_seconds(time)) return false;
  if (!text.starts_with(" (")) return false;
  const size_t end = text.find("): ");
  if (end == std::string_view::npos) return false;
  std::string_view duration = text.substr(2, end - 2);
  duration = trimmed(duration);
  if (!duration.empty() && !duration.ends_with(" ms")) return false;
  text.remove_prefix(end + 3);
  return true;
}

}  // namespace

std::optional<TraceLine> parse_trace_line(std::string_view text) {
  TraceLine line;
  if (text.starts_with('L') && text.starts_with("LOST ") && text.ends_with(" events!")) {
    line.kind = TraceLine::Kind::Lost;
    return line;
  }
  if (!take_times(text)) return std::nullopt;
  take_thread(text, line);
  std::string_view body = trimmed(text);
  constexpr std::string_view kContinued = "... [continued]: ";
  if (body.starts_with('.') && body.starts_with(kContinued)) {
    body.remove_prefix(kContinued.size());
    take_call(body, line);
    if (line.kind == TraceLine::Kind::Whole) line.kind = TraceLine::Kind::Continued;
    line.arguments = {};
  } else if (body.starts_with('m') &&
             (body.starts_with("minfault [") || body.starts_with("majfault ["))) {
    constexpr std::string_view kArrow = "] => ";
    const size_t arrow = body.find(kArrow);
    const size_t end = body.rfind(" (");
    if (arrow == std::string_view::npos || end == std::string_view::npos ||
        end < arrow + kArrow.size())
      return std::nullopt;
    line.kind = TraceLine::Kind::Fault;
    line.by_kernel = body.ends_with("k)");
    line.arguments = body.substr(arrow + kArrow.size(), end - arrow - kArrow.size());
  } else {
    take_call(body, line);
  }
  return line;
}

std::optional<int64_t> parse_trace_result(std::string_view text) {
  const std::string_view word = next_word(text);
  if (word.empty() || word == "?") return 0;
  if (word == "-1") {
    const std::string_view name = next_word(text);
    if (name.empty()) return -1;
    constexpr int kLastError = 133;
    for (int error = 1; error <= kLastError; ++error)
      if (const char* const known = strerrorname_np(error); known != nullptr && name == known)
        return -error;
    return std::nullopt;
  }
  const auto value = signed_number(word);
  return value ? std::optional(static_cast<int64_t>(*value)) : std::nullopt;
}

std::optional<uint64_t> parse_trace_place(std::string_view text) {
  const size_t at = text.rfind("0x");
  if (at == std::string_view::npos) return std::nullopt;
  if (at != 0) {
    if (text[at - 1] != '@') return std::nullopt;
    const std::string_view where = text.substr(0, at - 1);
    const bool is_file = where != "//anon" && !where.starts_with("[stack") && where != "[heap]";
    if (is_file) return std::nullopt;
  }
  return parse_number(text.substr(at));
}

std::optional<TraceArguments> parse_trace_arguments(const drmemtrace::CallType* type,
                                                    std::string_view text) {
  TraceArguments all;
  all.call.type = type;
  all.call.given = drmemtrace::Call::kMostArguments;
  const CallKind kind = type == nullptr ? CallKind::OtherMemory : type->kind;
  const auto* const names =
      std::find_if(std::begin(kArguments), std::end(kArguments),
                   [&](const ArgumentNames& one) { return one.kind == kind; });
  bool has_descriptor = false;
  while (!text.empty()) {
    const size_t colon = text.find(": ");
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view name = text.substr(0, colon);
    text.remove_prefix(colon + 2);
    // Values end with ", NAME: " or the text; names of files may have that in them.
    size_t end = text.find(", ");
    if (text.starts_with('"')) {
      const size_t quote = text.find('"', 1);
      end = quote == std::string_view::npos ? quote : text.find(", ", quote);
    } else if (const size_t path = text.substr(0, end).find('<'); path != std::string_view::npos) {
      end = text.find(">, ", path);
      if (end != std::string_view::npos) ++end;
    }
    std::string_view value = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    if (name == "filename") all.filename = value;
    if (name == "options") all.options = value;
    if (names == std::end(kArguments)) continue;
    const auto* const place = std::find(names->names.begin(), names->names.end(), name);
    if (place == names->names.end()) continue;
    uint64_t& argument = all.call.arguments[static_cast<size_t>(place - names->names.begin())];
    if (const auto flags = names_of(kind, name); !flags.empty()) {
      if (value.empty()) all.lost = true;
      while (!value.empty()) {
        const size_t bar = value.find('|');
        if (const auto flag = flag_value(value.substr(0, bar), flags))
          argument |= *flag;
        else if (kind == CallKind::Madvise)
          all.lost = true;
        else if (kind != CallKind::Prctl)
          ++all.unknown;
        value.remove_prefix(bar == std::string_view::npos ? value.size() : bar + 1);
      }
      continue;
    }
    if (name == "fd") {
      has_descriptor = true;
      if (const size_t path = value.find('<'); path != std::string_view::npos) {
        if (!value.ends_with('>')) return std::nullopt;
        all.file = value.substr(path + 1, value.size() - path - 2);
        value = value.substr(0, path);
      }
    }
    const auto number = signed_number(value);
    if (!number) return std::nullopt;
    argument = *number;
  }
  constexpr size_t kFlags = 3;
  constexpr size_t kDescriptor = 4;
  if ((kind == CallKind::Mmap || kind == CallKind::MmapPages) && !has_descriptor &&
      (all.call.arguments[kFlags] & abi::kMapAnonymous) != 0)
    all.call.arguments[kDescriptor] = UINT64_MAX;
  return all;
}

}  // namespace mmusim::trace::perf
