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

}  // namespace mmusim::fuzz

#endif  // MMUSIM_TESTS_FUZZ_CHECKING_SINK_H_
