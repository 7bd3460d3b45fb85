// A file that appears whole or not at all: written under a temporary name beside its place
// (NAME.tmp.PID) and renamed by commit(). Destroyed without commit, it removes what it wrote; so
// does a process ended by a signal (base/interrupt.h). One that was killed, or lost power, leaves
// its temporary file behind: whoever next writes the same NAME removes it. A path that names a pipe
// or device (/dev/stdout) is written directly. Not thread-safe.
//
// Where what is there so far is worth keeping (Unfinished::Kept), the temporary file is
// NAME.partial and stays, whatever ends the writing, until the next such writing of NAME.
#ifndef MMUSIM_BASE_OUTPUT_FILE_H_
#define MMUSIM_BASE_OUTPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/interrupt.h"

namespace mmusim {

class OutputFile {
 public:
  enum class Unfinished : bool { Removed, Kept };

  // Errors: Error naming `path` when it cannot be created; UsageError when it is empty,
  // or "-": commands for which that is standard output make no file of it.
  explicit OutputFile(std::string path, Unfinished unfinished = Unfinished::Removed);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Appends. Errors: Error naming the path (disk full, quota).
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }

  // Hands what was written to the system, so that the process's end does not lose it. Errors: as
  // write().
  void flush();

  // Makes the file appear under its name. Errors: Error; the old file of that name, if any, is then
  // untouched.
  void commit();

  // Removes what was written, whatever was to become of it.
  void abandon() noexcept;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t bytes_written() const { return bytes_; }
  // The name it has until commit().
  [[nodiscard]] const std::string& temporary_path() const { return temporary_; }

  // Is told the name of each file removed that a dead process had left; to begin with nobody is.
  static void on_leftover(std::function<void(const std::string& path)> told);

 private:
  void open_partial();
  void open_temporary();
  void discard() noexcept;
  [[noreturn]] void cannot_write(int error) const;

  std::string path_;
  Unfinished unfinished_;
  std::string temporary_;  // empty: written directly
  std::FILE* file_ = nullptr;
  std::optional<RemovedWhenInterrupted> doomed_;
  uint64_t bytes_ = 0;
};

// A file of this content. Errors: as OutputFile.
inline void write_file(std::string path, std::string_view content) {
  OutputFile file(std::move(path));
  file.write(content);
  file.commit();
}

}  // namespace mmusim

#endif  // MMUSIM_BASE_OUTPUT_FILE_H_
