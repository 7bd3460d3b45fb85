#include "trace/import/drmemtrace_modules.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "trace/import/drmemtrace_files.h"
#include "trace/import/words.h"

namespace mmusim::trace::drmemtrace {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModulesLog = "modules.log";
constexpr std::string_view kCustom = "(custom fields)";
constexpr uint64_t kLastAddress = std::numeric_limits<uint64_t>::max();

// What is still to be read, and the line it is in: a vdso's bytes stand between the others' words.
class Rest {
 public:
  Rest(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  [[nodiscard]] bool ended() const { return text_.empty(); }
  std::string_view line() {
    const size_t end = std::min(text_.find('\n'), text_.size());
    std::string_view line = take(end);
    take(std::min<size_t>(1, text_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++line_;
    return line;
  }
  // Up to the comma, which goes too.
  std::string_view item() {
    const size_t comma = text_.find(',');
    if (comma == std::string_view::npos || text_.find('\n') < comma)
      refuse("fewer fields than its table has");
    const std::string_view item = trimmed(take(comma));
    take(1);
    return item;
  }
  uint64_t number(int base) {
    std::string_view word = item();
    if (word.starts_with("0x")) word.remove_prefix(2);
    const auto value = whole_number<uint64_t>(word, base);
    if (!value) refuse(fmt::format("'{}' in place of a number", word));
    return *value;
  }
  void skip(uint64_t bytes) {
    if (bytes > text_.size()) refuse("contents that are cut off");
    const std::string_view skipped = take(bytes);
    line_ += static_cast<uint64_t>(std::count(skipped.begin(), skipped.end(), '\n'));
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(fmt::format("{}:{}", path_, line_), what);
  }

 private:
  std::string_view take(size_t bytes) {
    const std::string_view taken = text_.substr(0, bytes);
    text_.remove_prefix(bytes);
    return taken;
  }

  const std::string& path_;
  std::string_view text_;
  uint64_t line_ = 1;
};

// The names of the table's columns, the last of which is that of the path.
std::vector<std::string> read_head(Rest& rest) {
  constexpr std::string_view kColumns = "Columns: ";
  if (!rest.line().starts_with("Module Table: version ")) rest.refuse("is no table of modules");
  std::string_view line = rest.line();
  if (!line.starts_with(kColumns)) rest.refuse("does not name its columns");
  line.remove_prefix(kColumns.size());
  std::vector<std::string> columns;
  for (const std::string_view name : list_items(line))
    columns.emplace_back(trimmed(name));
  if (columns.back() != "path") rest.refuse("has no paths");
  for (const char* const needed : {"start", "end", "offset"})
    if (std::find(columns.begin(), columns.end(), needed) == columns.end())
      rest.refuse(fmt::format("has no column '{}'", needed));
  return columns;
}

// One line; nothing: it is of no file.
std::optional<Segment> read_segment(Rest& rest, const std::vector<std::string>& columns,
                                    uint64_t page_bytes) {
  Segment segment;
  for (size_t i = 0; i + 1 < columns.size(); ++i) {
    const std::string& name = columns[i];
    if (name == kCustom) {
      const std::string_view version = rest.item();
      if (!version.starts_with("v#")) rest.refuse("custom fields that are not DynamoRIO's");
      rest.skip(rest.number(10));
    } else if (name == "start") {
      segment.range.begin = VirtAddr(rest.number(16));
    } else if (name == "end") {
      segment.range.end = VirtAddr(rest.number(16));
    } else if (name == "offset") {
      segment.offset = rest.number(16);
    } else {
      static_cast<void>(rest.item());
    }
  }
  const std::string_view path = trimmed(rest.line());
  if (segment.range.empty()) rest.refuse("a segment that ends before it begins");
  if (path.empty()) rest.refuse("a segment of no file");
  if (path.front() == '[' || path.front() == '<') return std::nullopt;  // [vdso], <unknown>
  const uint64_t past_end = segment.range.end.value() - 1;
  if (past_end / page_bytes == kLastAddress / page_bytes) return std::nullopt;
  segment.range = {VirtAddr(segment.range.begin.value() / page_bytes * page_bytes),
                   VirtAddr((past_end / page_bytes + 1) * page_bytes)};
  segment.offset = segment.offset / page_bytes * page_bytes;
  segment.path = std::make_shared<const std::string>(path);
  return segment;
}

}  // namespace

Modules::Modules(const std::string& path, std::string_view text, uint64_t page_bytes) {
  Rest rest(path, text);
  const std::vector<std::string> columns = read_head(rest);
  std::vector<Segment> all;
  while (!rest.ended())
    if (auto segment = read_segment(rest, columns, page_bytes)) all.push_back(std::move(*segment));
  const auto key = [](const Segment& one) {
    return std::tuple(one.range.begin, one.range.end, one.offset, std::string_view(*one.path));
  };
  std::sort(all.begin(), all.end(),
            [&](const Segment& a, const Segment& b) { return key(a) < key(b); });
  // One that was loaded again, at the same place.
  all.erase(std::unique(all.begin(), all.end(),
                        [&](const Segment& a, const Segment& b) { return key(a) == key(b); }),
            all.end());
  VirtAddr end{};  // of all up to here
  for (size_t i = 0; i < all.size(); ++i) {
    const bool alone = all[i].range.begin >= end &&
                       (i + 1 == all.size() || all[i + 1].range.begin >= all[i].range.end);
    end = std::max(end, all[i].range.end);
    if (alone)
      segments_.push_back(std::move(all[i]));
    else
      ++overlapping_;
  }
}

size_t Modules::first_behind(VirtAddr address) const {
  const auto at = std::upper_bound(
      segments_.begin(), segments_.end(), address,
      [](VirtAddr value, const Segment& segment) { return value < segment.range.end; });
  return static_cast<size_t>(at - segments_.begin());
}

Modules::Found Modules::find(VirtAddr address) const {
  const size_t i = first_behind(address);
  if (i != segments_.size() && segments_[i].range.contains(address)) return {i, segments_[i].range};
  const VirtAddr begin = i == 0 ? VirtAddr(0) : segments_[i - 1].range.end;
  const VirtAddr end = i == segments_.size() ? VirtAddr(kLastAddress) : segments_[i].range.begin;
  return {kNone, {begin, end}};
}

std::string modules_log_in(const std::string& image_folder) {
  std::error_code ignored;
  for (const char* const folder : {"", kTraceFolder, kRawFolder}) {
    const fs::path path = fs::path(image_folder) / folder / kModulesLog;
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  return "";
}

}  // namespace mmusim::trace::drmemtrace
