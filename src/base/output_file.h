// A file that appears whole or not at all: written under a temporary name beside its place
// (NAME.tmp.PID) and renamed by commit(). Destroyed without commit, it removes what it wrote; so
// does a process ended by a signal (base/interrupt.h). One that was killed, or lost power, leaves
// its temporary file behind: whoever next writes the same NAME removes it. A path that names a pipe
// or device (/dev/stdout) is written directly. Not thread-safe.
#ifndef MMUSIM_BASE_OUTPUT_FILE_H_
#define MMUSIM_BASE_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "base/interrupt.h"

namespace mmusim {

class OutputFile {
 public:
  // Errors: Error naming `path` when it cannot be created.
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Appends. Errors: Error naming the path (disk full, quota).
  void write(const void* data, size_t bytes);
  void write(const std::string& text) { write(text.data(), text.size()); }

  // Makes the file appear under its name. Errors: Error; the old file of that name, if any, is then
  // untouched.
  void commit();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t bytes_written() const { return bytes_; }

  // Is told the name of each file removed that a dead process had left; to begin with nobody is.
  static void on_leftover(std::function<void(const std::string& path)> told);

 private:
  void discard() noexcept;

  std::string path_;
  std::string temporary_;  // empty: written directly
  std::FILE* file_ = nullptr;
  std::optional<RemovedWhenInterrupted> doomed_;
  uint64_t bytes_ = 0;
};

}  // namespace mmusim

#endif  // MMUSIM_BASE_OUTPUT_FILE_H_
