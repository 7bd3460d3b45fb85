#include "base/file_state.h"

#include <ctime>
#include <fmt/format.h>
#include <sys/stat.h>

namespace mmusim {
namespace {

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::optional<FileState> state_of(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t changed = nanoseconds(status.st_ctim);
  return FileState{.device = status.st_dev,
                   .inode = status.st_ino,
                   .bytes = static_cast<uint64_t>(status.st_size),
                   .modified = nanoseconds(status.st_mtim),
                   .changed = changed,
                   .settled = nanoseconds(now) - changed > 2 * FileState::kTick};
}

}  // namespace

std::optional<FileState> FileState::of(int file) {
  struct stat status {};
  return fstat(file, &status) == 0 ? state_of(status) : std::nullopt;
}

std::optional<FileState> FileState::of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? state_of(status) : std::nullopt;
}

std::string FileState::text() const {
  return fmt::format("device {} inode {} bytes {} modified {} changed {}\n", device, inode, bytes,
                     modified, changed);
}

}  // namespace mmusim
