#include "trace/compared_chunks.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "trace/format.h"

namespace mmusim::trace {
namespace {

namespace fs = std::filesystem;

// Smaller files are compared in less than it takes to look.
constexpr uint64_t kWorthKeeping = uint64_t{1} << 20;
constexpr unsigned kTries = 4;  // to see it settled
constexpr unsigned kSlots = 1024;
constexpr char kCompared = '1';
constexpr char kUnknown = '0';
constexpr std::string_view kMarks = "01";
constexpr size_t kMostChunks = size_t{1} << 22;

// A mark for each chunk, by the file's state.
class KnownFiles {
 public:
  static KnownFiles& of_process() {
    static KnownFiles all;
    return all;
  }

  [[nodiscard]] bool has(const std::string& file, size_t chunk) {
    const std::lock_guard lock(mutex_);
    const std::string& marks = marks_[file];
    return chunk < marks.size() && marks[chunk] == kCompared;
  }
  void add(const std::string& file, const std::string& more) {
    const std::lock_guard lock(mutex_);
    std::string& marks = marks_[file];
    if (marks.size() < more.size()) marks.resize(more.size(), kUnknown);
    for (size_t i = 0; i < more.size(); ++i)
      if (more[i] == kCompared) marks[i] = kCompared;
  }
  [[nodiscard]] std::string marks(const std::string& file) {
    const std::lock_guard lock(mutex_);
    return marks_[file];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> marks_;
};

// The folder they are kept in; empty: there is none. A home that is not there is not made.
fs::path kept_in() {
  const auto told = [](const char* variable) {
    const char* const folder = std::getenv(variable);
    return folder == nullptr ? fs::path() : fs::path(folder);
  };
  const fs::path own = told("XDG_CACHE_HOME");
  const fs::path home = own.is_absolute() ? own.parent_path() : told("HOME");
  std::error_code none;
  if (!home.is_absolute() || !fs::is_directory(home, none)) return {};
  return (own.is_absolute() ? own : home / ".cache") / "mmusim" / "page-streams";
}

// Nobody else can have written there.
bool is_own(const struct stat& status) {
  return status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}
bool is_own_folder(const fs::path& folder) {
  struct stat status {};
  return lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && is_own(status);
}

fs::path slot_of(const std::string& file) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(file.data());
  return kept_in() / fmt::format("{:03x}", hash_bytes({bytes, file.size()}) % kSlots);
}

// The marks kept of the file; none where its slot is another's, or damaged.
std::string kept_marks(const std::string& file) {
  const fs::path slot = slot_of(file);
  if (!is_own_folder(slot.parent_path())) return {};
  const int in = open(slot.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (in < 0) return {};
  struct stat status {};
  std::string text;
  if (fstat(in, &status) == 0 && S_ISREG(status.st_mode) && is_own(status))
    text.resize(std::min<size_t>(static_cast<size_t>(status.st_size), file.size() + kMostChunks));
  const ssize_t got = read(in, text.data(), text.size());
  close(in);
  if (got != static_cast<ssize_t>(text.size()) || !text.starts_with(file)) return {};
  std::string marks = text.substr(file.size());
  if (marks.find_first_not_of(kMarks) != std::string::npos) return {};
  return marks;
}

void keep_marks(const std::string& file, const std::string& marks) {
  const fs::path slot = slot_of(file);
  if (!slot.is_absolute() || marks.size() > kMostChunks) return;
  if (fs::create_directories(slot.parent_path()))
    fs::permissions(slot.parent_path(), fs::perms::owner_all);
  if (!is_own_folder(slot.parent_path())) return;
  write_file(slot.string(), file + marks);
}

}  // namespace

ComparedChunks::ComparedChunks(const std::optional<FileState>& file) {
  if (!file || !file->settled) return;
  file_ = file->text();
  lasts_ = file->bytes >= kWorthKeeping;
  if (lasts_) KnownFiles::of_process().add(file_, kept_marks(file_));
}

bool ComparedChunks::has(size_t chunk) const {
  return !file_.empty() && KnownFiles::of_process().has(file_, chunk);
}

void ComparedChunks::add(size_t chunk) {
  if (file_.empty() || chunk >= kMostChunks) return;
  KnownFiles::of_process().add(file_, std::string(chunk, kUnknown) + kCompared);
  added_ = true;
}

// What another process has kept meanwhile stays.
void ComparedChunks::keep() noexcept {
  if (!added_ || !lasts_) return;
  added_ = false;
  try {
    KnownFiles& known = KnownFiles::of_process();
    known.add(file_, kept_marks(file_));
    keep_marks(file_, known.marks(file_));
  } catch (const std::exception&) {  // a folder that cannot be written to: compared again, then
  }
}

void commit_compared(OutputFile& file, size_t chunks) {
  file.flush();
  const auto made = FileState::of(file.temporary_path());
  file.commit();
  if (chunks == 0 || !made || made->bytes < kWorthKeeping) return;
  auto there = FileState::of(file.path());
  for (unsigned tries = 0; there && !there->settled && tries < kTries; ++tries) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(FileState::kTick));
    there = FileState::of(file.path());
  }
  const bool same = there && there->device == made->device && there->inode == made->inode &&
                    there->bytes == made->bytes && there->modified == made->modified;
  if (!same) return;  // somebody else has replaced it
  ComparedChunks compared(there);
  for (size_t chunk = 0; chunk < chunks; ++chunk)
    compared.add(chunk);
}

}  // namespace mmusim::trace
