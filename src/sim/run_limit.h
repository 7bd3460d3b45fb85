// run.limit: where a replay ends, and who looks ahead of it need not look further.
#ifndef MMUSIM_SIM_RUN_LIMIT_H_
#define MMUSIM_SIM_RUN_LIMIT_H_

#include <cstdint>

namespace mmusim::sim {

class RunLimit {
 public:
  explicit RunLimit(uint64_t most) : most_(most) {}  // 0: no end

  // What has been replayed; an event counts as an instruction.
  void add(uint64_t instructions, uint64_t events) { done_ += instructions + events; }
  [[nodiscard]] bool reached() const { return most_ != 0 && done_ >= most_; }
  // Instructions there may be yet. REQUIRES: it is not reached.
  [[nodiscard]] uint64_t left() const { return most_ == 0 ? UINT64_MAX : most_ - done_; }

 private:
  uint64_t most_;  // 0: all
  uint64_t done_ = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_RUN_LIMIT_H_
