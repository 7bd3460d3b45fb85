// Numbers for address spaces, as far as a trace's events tell them apart: exec and fork begin a new
// one, threads and vfork's child share one until exec. What events do not say (an exec that was not
// recorded) is not seen. Memory: some 50 bytes for each process alive. Not thread-safe.
#ifndef MMUSIM_TRACE_SPACE_IDS_H_
#define MMUSIM_TRACE_SPACE_IDS_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <variant>

#include "trace/record.h"

namespace mmusim::trace {

// A page, or another piece of equal size, of an address space.
struct SpacePage {
  uint64_t page = 0;
  uint32_t space = 0;
  bool operator==(const SpacePage&) const = default;
};
struct SpacePageHash {
  size_t operator()(const SpacePage& key) const noexcept {
    // Odd; the high bits of a product depend on all bits.
    const uint64_t mixed =
        (key.page ^ uint64_t{key.space} * 0xd6e8feb86659fd93u) * 0x9e3779b97f4a7c15u;
    return static_cast<size_t>(mixed ^ mixed >> 29);
  }
};

class SpaceIds {
 public:
  // Of a process. Numbers are given in order of their first use, from 0.
  uint32_t of(Pid pid) {
    if (!known_ || pid != last_) {
      const auto [place, is_new] = ids_.try_emplace(pid, next_);
      if (is_new) ++next_;
      last_ = pid;
      last_id_ = place->second;
      known_ = true;
    }
    return last_id_;
  }

  // REQUIRES: every event of the trace, in order.
  void event(ThreadId thread, const Event& event) {
    if (std::holds_alternative<ExecEvent>(event)) {
      begin(thread.pid, next_++);
    } else if (const auto* fork = std::get_if<ForkEvent>(&event)) {
      if (fork->child.pid == thread.pid) return;
      const uint32_t parent = of(thread.pid);
      begin(fork->child.pid, fork->shares_memory ? parent : next_++);
    } else if (const auto* exit = std::get_if<ExitEvent>(&event)) {
      if (!exit->whole_process) return;
      ids_.erase(thread.pid);
      known_ = false;
    }
  }

  // How many there were.
  [[nodiscard]] uint32_t count() const { return next_; }

 private:
  void begin(Pid pid, uint32_t id) {
    ids_[pid] = id;
    known_ = false;
  }

  std::unordered_map<Pid, uint32_t> ids_;
  uint32_t next_ = 0;
  bool known_ = false;  // what follows
  Pid last_;
  uint32_t last_id_ = 0;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_SPACE_IDS_H_
