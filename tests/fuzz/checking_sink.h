// A sink that holds what an importer tells it to the contract of trace::Writer, for the fuzz
// targets.
#ifndef MMUSIM_TESTS_FUZZ_CHECKING_SINK_H_
#define MMUSIM_TESTS_FUZZ_CHECKING_SINK_H_

#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

#include "trace/record.h"

namespace mmusim::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

class CheckingSink {
 public:
  void thread(trace::ThreadId) {
    named_ = true;
    instruction_ = false;
  }
  void instruction(VirtAddr, unsigned bytes) {
    require(named_ && bytes >= 1 && bytes <= trace::kMaxInstructionBytes);
    instruction_ = true;
  }
  void access(AccessKind kind, VirtAddr, unsigned bytes) {
    require(instruction_ && kind != AccessKind::Fetch && bytes >= 1 &&
            bytes <= trace::kMaxAccessBytes);
  }
  void event(const trace::Event&) {
    require(named_);
    instruction_ = false;
  }

 private:
  bool named_ = false;
  bool instruction_ = false;
};

// A file in memory; its path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(memfd_create("input", MFD_CLOEXEC)) {
    require(fd_ >= 0 &&
            write(fd_, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_CHECKING_SINK_H_
