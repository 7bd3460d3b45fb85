#include "trace/import/perf_line.h"

#include "trace/import/words.h"

namespace mmusim::trace::perf {
namespace {

std::optional<uint64_t> hex(std::string_view text) {
  if (text.size() > 2 && text[1] == 'x' && text[0] == '0') text.remove_prefix(2);
  return whole_number(text, 16);
}

// "PID/TID", with `between` between them. The kernel's pid is -1.
std::optional<ThreadId> thread_of(std::string_view text, char between) {
  const size_t at = text.find(between);
  if (at == std::string_view::npos) return std::nullopt;
  const auto pid = whole_number<int32_t>(text.substr(0, at));
  const auto tid = whole_number<int32_t>(text.substr(at + 1));
  if (!pid || !tid) return std::nullopt;
  return ThreadId{Pid(static_cast<uint32_t>(*pid)), Tid(static_cast<uint32_t>(*tid))};
}

// "3629.287413:"
bool is_time(std::string_view word) {
  return word.ends_with(':') && is_seconds(word.substr(0, word.size() - 1));
}

}  // namespace

bool is_seconds(std::string_view word) {
  const size_t dot = word.find('.');
  return dot != std::string_view::npos && is_digits(word.substr(0, dot)) &&
         is_digits(word.substr(dot + 1));
}

std::optional<AccessKind> kind_of_event(std::string_view text) {
  if (text.find("STORE") != std::string_view::npos || text.find("store") != std::string_view::npos)
    return AccessKind::Store;
  if (text.find("LOAD") != std::string_view::npos || text.find("load") != std::string_view::npos ||
      text.find("ldlat") != std::string_view::npos)
    return AccessKind::Load;
  if (text.find("EXEC") != std::string_view::npos) return AccessKind::Fetch;
  return std::nullopt;
}

std::optional<Line> parse_line(std::string_view text, const char** problem) {
  *problem = "no line of perf script: there is no time in it";
  std::string_view rest = text;
  std::string_view thread;
  for (;;) {
    const std::string_view word = next_word(rest);
    if (word.empty()) return std::nullopt;
    if (is_time(word)) break;
    if (!word.starts_with('[')) thread = word;
  }
  const auto id = thread_of(thread, '/');
  *problem = "no PID/TID before the time (perf script -F pid,tid,time,event,addr,ip)";
  if (!id) return std::nullopt;
  Line line;
  line.thread = *id;
  std::string_view event = next_word(rest);
  if (!event.empty() && event.front() <= '9' && whole_number(event))
    event = next_word(rest);  // a period before it
  *problem = "no event behind the time";
  if (event.starts_with('P') && event.starts_with("PERF_RECORD_")) {
    const size_t end = event.find_first_of("(:");
    line.event = event.substr(0, end);
    line.rest = end == std::string_view::npos
                    ? rest
                    : std::string_view(
                          event.data() + end,
                          static_cast<size_t>(rest.data() + rest.size() - (event.data() + end)));
    return line;
  }
  if (!event.ends_with(':')) return std::nullopt;
  line.event = event.substr(0, event.size() - 1);
  line.rest = rest;
  return line;
}

std::optional<Sample> parse_sample(const Line& line, std::optional<AccessKind> by_name) {
  Sample sample;
  std::string_view rest = line.rest;
  const auto address = hex(next_word(rest));
  if (!address) return std::nullopt;
  sample.address = *address;
  sample.kind = by_name;
  const size_t source = rest.find("|OP ");
  if (source != std::string_view::npos)
    sample.kind = kind_of_event(rest.substr(source, rest.find('|', source + 1) - source));
  // The instruction is the last word. There may be none.
  const std::string_view last = last_word(rest);
  if (last.empty()) return sample;
  sample.ip = hex(last);
  if (!sample.ip && source == std::string_view::npos) return std::nullopt;
  return sample;
}

// "9663/9663: [0x7f00(0x1000) @ 0x1000 fe:00 12 0]: rw-p NAME", or "@ 0x1000 <BUILD-ID>]:"; an
// older form has no rights but "x" or "r" before the name.
std::optional<Mapping> parse_mapping(std::string_view rest) {
  Mapping mapping;
  std::string_view thread = next_word(rest);
  if (!thread.ends_with(':')) return std::nullopt;
  thread.remove_suffix(1);
  const auto id = thread_of(thread, '/');
  if (!id) return std::nullopt;
  mapping.thread = *id;
  mapping.kernel = id->pid.value() == UINT32_MAX;
  std::string_view range = next_word(rest);
  if (!range.starts_with('[') || !range.ends_with(')')) return std::nullopt;
  range = range.substr(1, range.size() - 2);
  const size_t bracket = range.find('(');
  if (bracket == std::string_view::npos) return std::nullopt;
  const auto start = hex(range.substr(0, bracket));
  const auto length = hex(range.substr(bracket + 1));
  if (!start || !length || next_word(rest) != "@") return std::nullopt;
  std::string_view offset_word = next_word(rest);
  const bool alone = offset_word.ends_with("]:");
  if (alone) offset_word.remove_suffix(2);
  const auto offset = hex(offset_word);
  if (!offset) return std::nullopt;
  mapping.start = VirtAddr(*start);
  mapping.length = *length;
  mapping.offset = *offset;
  for (std::string_view word; !alone && !word.ends_with("]:");) {
    word = next_word(rest);
    if (word.empty()) return std::nullopt;
    if (word.starts_with('<') && word.ends_with(">]:"))
      mapping.build_id = word.substr(1, word.size() - 4);
  }
  const std::string_view rights = next_word(rest);
  mapping.prot = (rights.find('r') != std::string_view::npos ? 1u : 0) |
                 (rights.find('w') != std::string_view::npos ? 2u : 0) |
                 (rights.find('x') != std::string_view::npos ? 4u : 0);
  mapping.shared = rights.find('s') != std::string_view::npos;
  mapping.name = trimmed(rest);
  return mapping;
}

std::optional<Task> parse_task(std::string_view rest) {
  rest = trimmed(rest);
  const size_t middle = rest.find("):(");
  if (!rest.starts_with('(') || !rest.ends_with(')') || middle == std::string_view::npos)
    return std::nullopt;
  const auto thread = thread_of(rest.substr(1, middle - 1), ':');
  const auto parent = thread_of(rest.substr(middle + 3, rest.size() - middle - 4), ':');
  if (!thread || !parent) return std::nullopt;
  return Task{*thread, *parent};
}

}  // namespace mmusim::trace::perf
