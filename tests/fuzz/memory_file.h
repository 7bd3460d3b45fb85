// A file in memory, for readers that take a path.
#ifndef MMUSIM_TESTS_FUZZ_MEMORY_FILE_H_
#define MMUSIM_TESTS_FUZZ_MEMORY_FILE_H_

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace mmusim::fuzz {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : MemoryFile(content.data(), content.size()) {}
  explicit MemoryFile(std::span<const uint8_t> content)
      : MemoryFile(content.data(), content.size()) {}
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  MemoryFile(const void* content, size_t bytes) : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || write(descriptor_, content, bytes) != static_cast<ssize_t>(bytes))
      std::abort();
  }

  int descriptor_;
};

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_MEMORY_FILE_H_
