// How much memory the real processes of a script hold, so that a slip in a script (touch a 100G)
// ends the script and not the host.
#ifndef MMUSIM_SIM_WORKLOAD_NATIVE_MEMORY_H_
#define MMUSIM_SIM_WORKLOAD_NATIVE_MEMORY_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <sys/types.h>

namespace mmusim::sim::workload {

// A quarter of this computer's memory.
uint64_t default_native_memory();

class NativeMemoryWatch {
 public:
  explicit NativeMemoryWatch(uint64_t most_bytes) : most_(most_bytes) {}

  // Looks, if it is time again. Pages several processes share count once (Pss), swapped ones too.
  // What is taken within kInterval is seen late. Errors: Error when it is more than allowed.
  // Processes that are 0 or gone count nothing.
  void check(std::span<const pid_t> processes);

 private:
  static constexpr std::chrono::milliseconds kInterval{50};

  uint64_t most_;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + kInterval;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_MEMORY_H_
