#include "sim/workload/native_memory.h"

#include <fmt/format.h>
#include <fstream>
#include <string>
#include <unistd.h>

#include "base/error.h"

namespace mmusim::sim::workload {
namespace {

std::string mebibytes(uint64_t bytes) {
  return fmt::format("{} MiB", bytes >> 20);
}

// Of /proc/PID/smaps_rollup (Linux 4.14 and later; fs/proc/task_mmu.c).
uint64_t bytes_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  uint64_t kib = 0;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("Pss:") || line.starts_with("SwapPss:"))
      kib += std::stoull(line.substr(line.find(':') + 1));
  return kib << 10;
}

}  // namespace

uint64_t default_native_memory() {
  const auto pages = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / 4;
}

void NativeMemoryWatch::check(std::span<const pid_t> processes) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  uint64_t held = 0;
  for (const pid_t pid : processes)
    if (pid != 0) held += bytes_of(pid);
  if (held > most_)
    throw Error("native",
                fmt::format("the script's processes hold {}, and may hold {}", mebibytes(held),
                            mebibytes(most_)),
                "they have been ended; --memory allows more");
}

}  // namespace mmusim::sim::workload
