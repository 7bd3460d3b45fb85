#include "trace/import/lackey_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "trace/import/lackey_line.h"
#include "trace/import/words.h"

namespace mmusim::trace::lackey {
namespace {

constexpr size_t kMaxHeaderLines = 64;

// "==123== text" -> pid and text.
std::optional<std::pair<uint32_t, std::string_view>> header_line(std::string_view line) {
  if (!line.starts_with("==")) return std::nullopt;
  const size_t close = line.find("== ", 2);
  if (close == std::string_view::npos) return std::nullopt;
  const std::optional<uint64_t> pid = whole_number(line.substr(2, close - 2));
  if (!pid || *pid > UINT32_MAX) return std::nullopt;
  return std::pair(static_cast<uint32_t>(*pid), line.substr(close + 3));
}

Log open_log(const std::string& path) {
  Log log;
  log.path = path;
  auto lines = std::make_unique<LineBuffer>(path);
  constexpr const char* kHint =
      "give logs of: valgrind --tool=lackey --trace-mem=yes --trace-syscalls=yes";
  bool lackey = false;
  while (log.kept_lines < kMaxHeaderLines) {
    const bool whole = lines->begin() != lines->end() || lines->refill();
    const std::string_view line = whole ? lines->line() : lines->tail();
    const auto header = header_line(line);
    if (!header) {
      log.forked = line.starts_with(" --> ");
      ReferenceLine reference;
      if (whole && parse_reference(line.data(), reference) != nullptr &&
          reference.kind == AccessKind::Fetch)
        log.first = reference.address;
      break;
    }
    log.pid = Pid(header->first);
    const std::string_view text = header->second;
    if (text.starts_with("Lackey, ")) lackey = true;
    const auto value_of = [text](std::string_view key, std::string_view& value) {
      if (!text.starts_with(key)) return false;
      value = text.substr(key.size());
      return true;
    };
    std::string_view value;
    if (value_of("Command: ", value)) log.command = value;
    if (value_of("Using ", value)) log.version = value.substr(0, value.find_first_of(" ;"));
    if (value_of("Parent PID: ", value)) {
      log.parent = Pid(static_cast<uint32_t>(whole_number(value).value_or(0)));
    }
    if (lines->begin() == lines->end()) break;  // the header is all there is, and is cut
    ++log.kept_lines;
    lines->consume(line.data() + line.size() + 1);
  }
  if (!lackey || log.pid == Pid(0)) {
    const bool empty = log.kept_lines == 0 && lines->begin() == lines->end() &&
                       lines->tail().empty() && !lines->too_long();
    throw Error(path + ":1", empty ? "the log is empty" : "not a log of Valgrind's lackey tool",
                kHint);
  }
  log.stored_bytes = lines->source().stored_bytes();
  if (!lines->source().seekable()) log.kept = std::move(lines);
  return log;
}

}  // namespace

bool LogOrder::before(const LogOrder& other) const {
  if (image != other.image) return image < other.image;
  const bool born = sequence >= 2;
  if (born != (other.sequence >= 2)) return born;
  return sequence < other.sequence;
}

LogOrder order_of(std::string_view path) {
  for (const std::string_view ending : {".zst", ".xz", ".gz"}) {
    if (path.ends_with(ending)) path.remove_suffix(ending.size());
  }
  LogOrder order;
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return order;
  // Without a pid before it, the last part is the pid itself.
  const std::string_view front = path.substr(0, dot);
  const size_t pid = front.rfind('.');
  if (pid == std::string_view::npos || !whole_number(front.substr(pid + 1))) return order;
  std::string_view last = path.substr(dot + 1);
  const size_t dash = last.find('-');
  if (dash != std::string_view::npos) {
    const std::optional<uint64_t> image = whole_number(last.substr(0, dash));
    if (!image) return order;
    last.remove_prefix(dash + 1);
    const std::optional<uint64_t> sequence = whole_number(last);
    if (sequence) order = {*image, *sequence};
    return order;
  }
  order.sequence = whole_number(last).value_or(0);
  return order;
}

std::vector<Log> open_logs(std::span<const std::string> paths) {
  std::vector<Log> logs;
  logs.reserve(paths.size());
  for (const std::string& path : paths)
    logs.push_back(open_log(path));
  std::stable_sort(logs.begin(), logs.end(), [](const Log& a, const Log& b) {
    if (a.pid != b.pid) return a.pid < b.pid;
    return order_of(a.path).before(order_of(b.path));
  });
  return logs;
}

}  // namespace mmusim::trace::lackey
