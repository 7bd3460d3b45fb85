#include "base/output_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "base/error.h"

namespace mmusim {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = ".tmp.";

std::function<void(const std::string&)>& leftover_hook() {
  static std::function<void(const std::string&)> hook;
  return hook;
}

// Whoever writes a temporary file holds a lock on it, also on another machine that shares the
// folder; the lock of who died is gone.
bool is_left(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return false;
  struct stat status {};
  const bool left = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                    flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  close(descriptor);
  return left;
}

// Removes what dead writers of `path` have left.
void remove_leftovers(const std::string& path) {
  const fs::path place(path);
  const std::string begin = place.filename().string() + kMark;
  std::error_code error;
  const fs::path folder = place.has_parent_path() ? place.parent_path() : fs::path(".");
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(begin) || name.size() == begin.size()) continue;
    const bool number = std::all_of(name.begin() + static_cast<std::ptrdiff_t>(begin.size()),
                                    name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number || !is_left(entry->path().string())) continue;
    std::error_code failed;
    if (fs::remove(entry->path(), failed) && leftover_hook())
      leftover_hook()(entry->path().string());
  }
}

}  // namespace

void OutputFile::on_leftover(std::function<void(const std::string& path)> hook) {
  leftover_hook() = std::move(hook);
}

OutputFile::OutputFile(std::string path, Unfinished unfinished)
    : path_(std::move(path)), unfinished_(unfinished) {
  if (path_.empty()) throw UsageError("", "a file to be written has no name");
  if (path_ == "-")
    throw UsageError("", "'-' is not standard output here",
                     "/dev/stdout is, and a file of that name is ./-");
  struct stat existing {};
  const bool direct = stat(path_.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode);
  if (direct) {
    file_ = std::fopen(path_.c_str(), "wbe");
  } else if (unfinished_ == Unfinished::Kept) {
    open_partial();
  } else {
    open_temporary();
  }
  if (file_ == nullptr) throw Error(path_, fmt::format("cannot create: {}", std::strerror(errno)));
}

void OutputFile::open_temporary() {
  remove_leftovers(path_);
  temporary_ = fmt::format("{}{}{}", path_, kMark, getpid());
  file_ = std::fopen(temporary_.c_str(), "wbxe");
  if (file_ == nullptr && errno == EEXIST)  // nobody else has this process's number
    throw Error(path_, "is being written already, as something else", "name another file");
  if (file_ == nullptr) return;
  doomed_.emplace(temporary_);
  static_cast<void>(flock(fileno(file_), LOCK_EX | LOCK_NB));  // not all file systems have locks
}

void OutputFile::open_partial() {
  temporary_ = path_ + ".partial";
  file_ = std::fopen(temporary_.c_str(), "abe");
  if (file_ == nullptr) return;
  if (flock(fileno(file_), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    std::fclose(file_);
    file_ = nullptr;
    throw Error(temporary_, "is being written by another process");
  }
  if (ftruncate(fileno(file_), 0) != 0) {
    std::fclose(file_);
    file_ = nullptr;
  }
}

OutputFile::~OutputFile() {
  discard();
}

void OutputFile::discard() noexcept {
  if (file_ == nullptr) return;
  std::fclose(file_);
  const bool keeps = unfinished_ == Unfinished::Kept && bytes_ != 0;
  if (!temporary_.empty() && !keeps) std::remove(temporary_.c_str());
  doomed_.reset();
  file_ = nullptr;
}

void OutputFile::abandon() noexcept {
  unfinished_ = Unfinished::Removed;
  discard();
}

void OutputFile::cannot_write(int error) const {
  const bool keeps = unfinished_ == Unfinished::Kept && !temporary_.empty();
  throw Error(path_, fmt::format("cannot write: {}", std::strerror(error)),
              keeps ? fmt::format("what was written before is in {}", temporary_)
                    : std::string("nothing of it was kept"));
}

void OutputFile::write(const void* data, size_t bytes) {
  MMUSIM_ASSERT(file_ != nullptr);
  if (bytes != 0 && std::fwrite(data, 1, bytes, file_) != bytes) cannot_write(errno);
  bytes_ += bytes;
}

void OutputFile::flush() {
  MMUSIM_ASSERT(file_ != nullptr);
  if (std::fflush(file_) != 0) cannot_write(errno);
}

void OutputFile::commit() {
  MMUSIM_ASSERT(file_ != nullptr);
  const bool flushed = std::fflush(file_) == 0 && (temporary_.empty() || fsync(fileno(file_)) == 0);
  if (!flushed) cannot_write(errno);
  if (!temporary_.empty() && std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw Error(path_, fmt::format("cannot rename into place: {}", std::strerror(errno)));
  }
  doomed_.reset();
  std::fclose(file_);
  file_ = nullptr;
}

}  // namespace mmusim
