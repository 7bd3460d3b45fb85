#include "trace/import/drmemtrace_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <string_view>
#include <tuple>

#include "base/bits.h"
#include "base/error.h"
#include "base/input_file.h"
#include "base/interrupt.h"
#include "trace/import/drmemtrace_format.h"
#include "trace/import/words.h"

namespace mmusim::trace::drmemtrace {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostDepth = 6;        // of folders in folders
constexpr size_t kMostFiles = 100'000;  // of one import
constexpr size_t kKeptOpen = 16;        // files that stay open from looking at their heads on

constexpr std::array kOtherFolders = {kRawFolder, "aux", "kernel.raw"};
constexpr uint64_t kMostModulesLog = uint64_t{1} << 26;  // bytes
constexpr std::array kSuffixes = {"trace", "memtrace", "zip", "gz", "lz4", "sz", "zst", "xz"};

std::vector<std::string> parts_of(std::string_view name) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    parts.emplace_back(name.substr(at, dot - at));
    at = dot + 1;
  }
  return parts;
}

// What of NAME.123.4567.dir is a name; a leading "drmemtrace" is none.
std::string name_in(const std::string& file_name) {
  std::vector<std::string> parts = parts_of(file_name);
  if (parts.size() > 1 && parts.front() == "drmemtrace") parts.erase(parts.begin());
  std::string name;
  for (const std::string& part : parts) {
    const bool suffix = std::find(kSuffixes.begin(), kSuffixes.end(), part) != kSuffixes.end();
    if (is_digits(part) || (suffix && !name.empty())) break;
    name += (name.empty() ? "" : ".") + part;
  }
  return name;
}

bool is_window(const fs::path& folder) {
  return folder.filename().string().starts_with("window.");
}

// The folder of a process image that a file lies in.
fs::path image_folder(const fs::path& file) {
  fs::path folder = fs::absolute(file).lexically_normal().parent_path();
  if (is_window(folder)) folder = folder.parent_path();
  if (folder.filename() == kTraceFolder) folder = folder.parent_path();
  return folder;
}

bool is_trace_file(const fs::path& path) {
  return width_of(start_of_content(path.string(), kToldByBytes)) != Width::None;
}

// What a directory holds, in order of names.
std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed)) {
    entries.push_back(at->path());
    if (entries.size() > kMostFiles)
      throw Error(directory.string(), fmt::format("holds more than {} files", kMostFiles));
  }
  if (failed) throw Error(directory.string(), fmt::format("cannot be read: {}", failed.message()));
  std::sort(entries.begin(), entries.end());
  return entries;
}

class Search {
 public:
  explicit Search(size_t most = SIZE_MAX) : most_(most) {}

  void directory(const fs::path& path, size_t depth) {
    if (depth > kMostDepth || found_.size() >= most_) return;
    std::error_code ignored;
    if (const fs::path traces = path / kTraceFolder; fs::is_directory(traces, ignored)) {
      directory(traces, depth + 1);
      return;
    }
    for (const fs::path& entry : entries_of(path)) {
      if (fs::is_regular_file(entry, ignored)) {
        file(entry);
      } else if (fs::is_directory(entry, ignored) &&
                 std::find(kOtherFolders.begin(), kOtherFolders.end(), entry.filename()) ==
                     kOtherFolders.end()) {
        directory(entry, depth + 1);
      }
    }
  }
  [[nodiscard]] const std::vector<std::string>& found() const { return found_; }
  [[nodiscard]] uint64_t left_out() const { return left_out_; }

 private:
  void file(const fs::path& path) {
    if (found_.size() >= most_) return;
    check_interrupt();
    if (!is_trace_file(path)) {
      ++left_out_;
      return;
    }
    found_.push_back(path.string());
    if (found_.size() > kMostFiles)
      throw Error(path.string(), fmt::format("is one file too many (more than {})", kMostFiles));
  }

  size_t most_;  // files to look for
  std::vector<std::string> found_;
  uint64_t left_out_ = 0;
};

template <class Address>
Head read_head(const RecordBuffer& records) {
  Head head;
  head.is_64_bit = records.is_64_bit();
  head.version = load_record<Address>(records.begin()).value;
  for (const char* at = records.begin(); at != records.end(); at += kRecordBytes<Address>) {
    const Record record = load_record<Address>(at);
    if (record.type == kThread && !head.thread) head.thread = record.value;
    if (record.type == kPid && !head.process) head.process = record.value;
    const bool known = record.type == kThread || record.type == kPid || record.type == kHeader;
    if (known) continue;
    if (record.type != kMarker) break;
    if (record.size == kFileType) head.file_type = record.value;
    if (record.size == kPageSize) head.page_bytes = record.value;
    if (record.size == kTimestamp) {
      if (head.time) break;
      head.time = record.value;
    } else if (head.time) {
      if (record.size == kCpuId) head.cpu = record.value;
      break;
    }
  }
  if (head.version > kNewestVersion) {
    throw Error(records.place_of(records.begin()),
                fmt::format("is of version {} of drmemtrace; known are those up to {}",
                            head.version, kNewestVersion));
  }
  if ((head.file_type & kTraceTemplates) != 0)
    throw Error(records.place_of(records.begin()),
                "holds templates of kernel code, and no program's trace");
  return head;
}

void check_page(const Recording& recording) {
  constexpr unsigned kLeastPage = 9;
  constexpr unsigned kMostPage = 40;
  const uint64_t page = recording.page_bytes;
  if (page != 0 && (!is_power_of_two(page) || page < uint64_t{1} << kLeastPage ||
                    page > uint64_t{1} << kMostPage))
    throw Error(recording.inputs.front().path, fmt::format("has pages of {} bytes", page));
}

Modules modules_of(const fs::path& image, Recording& recording) {
  const std::string path = modules_log_in(image.string());
  if (path.empty()) return {};
  try {
    return {path, read_file(path, kMostModulesLog),
            recording.page_bytes == 0 ? kAssumedPage : recording.page_bytes};
  } catch (const Error& error) {
    recording.warnings.push_back(
        fmt::format("{}; which files code is of is not known.", error.what()));
    return {};
  }
}

Input open_input(const std::string& path) {
  Input input;
  input.path = path;
  input.records = std::make_unique<RecordBuffer>(path);
  input.stored_bytes = input.records->source().stored_bytes();
  input.head = input.records->is_64_bit() ? read_head<uint64_t>(*input.records)
                                          : read_head<uint32_t>(*input.records);
  return input;
}

}  // namespace

std::string program_of(const std::string& path) {
  const fs::path file = fs::absolute(path).lexically_normal();
  const std::vector<std::string> parts = parts_of(file.filename().string());
  const bool of_thread =
      parts.size() > 3 && parts[0] == "drmemtrace" && parts[1] != "core" && !is_digits(parts[1]);
  if (!of_thread && file.parent_path().filename() == kTraceFolder) {
    std::string folder = name_in(image_folder(file).filename().string());
    if (!folder.empty()) return folder;
  }
  const std::string name = name_in(file.filename().string());
  return name.empty() ? file.filename().string() : name;
}

bool holds_trace(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return is_trace_file(path);
  Search search(1);
  search.directory(path, 0);
  return !search.found().empty();
}

Recording open_recording(std::span<const std::string> paths) {
  Recording recording;
  std::vector<std::string> files;
  std::error_code ignored;  // what cannot be looked at is a file, and opening it says what is wrong
  for (const std::string& path : paths) {
    if (!fs::is_directory(path, ignored)) {
      files.push_back(path);
      continue;
    }
    Search search;
    search.directory(path, 0);
    if (search.found().empty()) {
      throw Error(path, "holds no drmemtrace trace",
                  fs::is_directory(fs::path(path) / kRawFolder, ignored)
                      ? "let DynamoRIO post-process it first: drrun -t drmemtrace -indir DIRECTORY"
                      : "");
    }
    files.insert(files.end(), search.found().begin(), search.found().end());
    recording.files_left_out += search.left_out();
  }
  std::map<fs::path, size_t> images;
  for (const std::string& file : files) {
    check_interrupt();
    Input input = open_input(file);
    const auto [image, is_new] = images.try_emplace(image_folder(file), images.size());
    if (is_new) recording.programs.push_back(program_of(file));
    input.image = image->second;
    recording.file_types |= input.head.file_type;
    if (input.head.page_bytes != 0) recording.page_bytes = input.head.page_bytes;
    if (!recording.inputs.empty() && input.head.is_64_bit != recording.inputs[0].head.is_64_bit) {
      throw Error(file,
                  fmt::format("is of a {}-bit program, and {} is not",
                              input.head.is_64_bit ? 64 : 32, recording.inputs[0].path),
                  "import each by itself");
    }
    if (recording.inputs.size() >= kKeptOpen && input.records->source().seekable())
      input.records.reset();
    recording.inputs.push_back(std::move(input));
  }
  check_page(recording);
  recording.modules.resize(images.size());
  for (const auto& [folder, image] : images)
    recording.modules[image] = modules_of(folder, recording);
  std::stable_sort(recording.inputs.begin(), recording.inputs.end(),
                   [](const Input& a, const Input& b) {
                     const auto key = [](const Head& head) {
                       return std::tuple(head.time.value_or(0), head.cpu, head.thread.value_or(0));
                     };
                     return key(a.head) < key(b.head);
                   });
  return recording;
}

}  // namespace mmusim::trace::drmemtrace
