// A file as it is at some moment: what tells it from any other that stands at its path later on,
// without reading it.
#ifndef MMUSIM_BASE_FILE_STATE_H_
#define MMUSIM_BASE_FILE_STATE_H_

#include <cstdint>
#include <optional>
#include <string>

namespace mmusim {

struct FileState {
  // In nanoseconds. Times of files go by the ticks of the system's clock, of which there are 100 a
  // second at least.
  static constexpr int64_t kTick = 10'000'000;

  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified = 0;  // nanoseconds since 1970
  int64_t changed = 0;   // ... its content or anything said of it, which nobody can set
  bool settled = false;  // long enough ago for each later change to have a later time

  // Nothing where there is no such file, or it is none to read again.
  static std::optional<FileState> of(int file);
  static std::optional<FileState> of(const std::string& path);

  // By which it is known.
  [[nodiscard]] std::string text() const;
};

}  // namespace mmusim

#endif  // MMUSIM_BASE_FILE_STATE_H_
