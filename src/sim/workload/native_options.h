// How scripts are run on this computer's kernel. Plain data.
#ifndef MMUSIM_SIM_WORKLOAD_NATIVE_OPTIONS_H_
#define MMUSIM_SIM_WORKLOAD_NATIVE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

// Areas that a process of a script has of its own, whatever this program has, so that the script's
// may be as many as the kernel allows less these. Of a program with more no process begins (each
// library has five, and AddressSanitizer's build some 250 in all).
inline constexpr uint64_t kNativeAreas = 512;
// Below it the kernel places what a script leaves to it (map ... anywhere): as far below a multiple
// of 1T as an x86-64 program's mmap_base without randomisation, so that upper tables lie alike.
inline constexpr uint64_t kNativeMmapBase =
    kBase + kHeap + kHeapReach + (uint64_t{3} << 40) - 0x8001000;

struct NativeOptions {
  bool huge_pages = false;             // as the host is set; else none (PR_SET_THP_DISABLE)
  std::string directory = "/var/tmp";  // where the script's files on disk are made
  uint64_t memory = 0;                 // its processes may hold; 0: default_native_memory()
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_OPTIONS_H_
