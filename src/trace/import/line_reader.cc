#include "trace/import/line_reader.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mmusim::trace {

LineReader::LineReader(const std::string& path, const ImportOptions& options, ImportResult& result,
                       size_t max_line)
    : path_(path),
      options_(options),
      result_(result),
      lines_(path, max_line),
      max_line_(max_line),
      stored_bytes_(lines_.source().stored_bytes()) {}

bool LineReader::refill() {
  check_interrupt();
  while (!ended_) {
    const bool more = lines_.refill();
    result_.input_bytes += static_cast<uint64_t>(lines_.end() - lines_.begin());
    if (options_.progress) options_.progress(lines_.source().stored_bytes_read(), stored_bytes_);
    if (more) return true;
    if (!lines_.too_long()) {
      ended_ = true;
      break;
    }
    ++result_.input_records;
    refuse(fmt::format("a line longer than {} bytes", max_line_));
    lines_.skip_long_line();
    if (lines_.begin() != lines_.end()) return true;
  }
  return false;
}

// What may be behind the last line's end.
bool LineReader::last(std::string_view& line) {
  if (lines_.tail().empty() || !unended_.empty()) return false;
  unended_ = lines_.tail();
  result_.input_bytes += unended_.size();
  ++result_.input_records;
  result_.warnings.push_back(
      fmt::format("{}:{}: the last line has no end; if the file was cut off there, it is wrong.",
                  path_, result_.input_records));
  const size_t bytes = unended_.size();
  unended_.resize(bytes + LineBuffer::kPadding);
  line = std::string_view(unended_).substr(0, bytes);
  return true;
}

void LineReader::refuse(const std::string& what, const std::string& advice) {
  if (options_.strict) {
    throw Error(fmt::format("{}:{}", path_, result_.input_records), what,
                advice.empty() ? "--lenient skips such lines" : advice);
  }
  ++result_.skipped_records;
}

std::string first_lines(const std::string& path) {
  constexpr size_t kBytes = 4096;
  std::string text = start_of_content(path, kBytes);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  if (text.find('\0') != std::string::npos) return "";
  if (text.size() + 3 >= kBytes) text.resize(text.rfind('\n') + 1);
  std::erase(text, '\r');
  return text;
}

const std::string& single_input(std::span<const std::string> paths, const char* format) {
  if (paths.size() == 1) return paths.front();
  throw UsageError("", fmt::format("{} logs, where format {} takes one", paths.size(), format),
                   "import each by itself");
}

}  // namespace mmusim::trace
