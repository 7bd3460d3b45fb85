// A workload script on the kernel this program runs on.
//
// Each process of the script is a real process: a child of this program and their children, told
// step by step what to do. They make the script's system calls and touches at the script's
// addresses and read their own minor faults, RSS, VmPTE and VMA count before and after each
// measure. What such a process does besides, its own stack, code and data, is faulted in before it
// is counted, and lies in other page tables than the script's addresses, which are fixed: what the
// host randomises does not matter. Needs Linux 5.14 (MADV_POPULATE_*) and /proc.
#ifndef MMUSIM_SIM_WORKLOAD_NATIVE_H_
#define MMUSIM_SIM_WORKLOAD_NATIVE_H_

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "config/schema.h"
#include "sim/workload/native_options.h"
#include "sim/workload/outcome.h"
#include "sim/workload/plan.h"

namespace mmusim::sim::workload {

// Errors: Error when processes cannot be made, one dies, they hold more memory than they may, or
// the kernel lacks or forbids what is needed: its pool may have fewer huge pages than the script
// needs.
Outcome run_native(const Plan& plan, const NativeOptions& options = {});

// Pages of the hugetlb pool, of the default size, that a new mapping could have.
uint64_t huge_pages_free();
// ... as the text of /proc/meminfo says.
uint64_t huge_pages_free(std::istream&& meminfo);

// What this computer's kernel is and does, found out by trying. What it says is what the simulated
// kernel has a key for, and what scripts of some kinds need.
struct NativeFeatures {
  std::string kernel;              // "Linux 6.18.44"
  std::string huge_pages;          // the host's setting: "madvise", ...
  std::string thp_sizes;           // kernel.thp.sizes: those of multi-size THP that are not "never"
  bool pt_reclaim = false;         // kernel.pt_reclaim
  bool zero_page = true;           // kernel.zero_page
  bool zero_split = true;          // kernel.zero_split; only known with huge pages
  uint64_t fault_around = 0;       // kernel.fault_around
  uint64_t max_map_count = 65530;  // kernel.max_map_count, less the areas a process has of its own
  uint64_t overcommit = 0;         // kernel.overcommit; 0: could not be found out
  unsigned folio_order = 0;        // kernel.folio_order, of files in the directory
  bool folio_order_known = false;  // else they could not be made, or are of mixed orders
  uint64_t readahead = 0;          // kernel.readahead, likewise; 0: not known
  uint64_t huge_pages_free = 0;    // of the hugetlb pool, reserved for nobody, of the default size
  bool can_lock = false;           // may lock much memory
  bool can_place_break = false;    // may say where its heap is
  bool has_guards = false;         // madvise(GUARD_INSTALL) of any memory (Linux 6.15)
  bool uses_huge_pages = false;    // as the options have it
};
NativeFeatures native_features(const NativeOptions& options = {});

// How a configuration came to what the real kernel is compared with: "key = value".
struct Imitation {
  std::vector<std::string> found;    // by trying
  std::vector<std::string> given;    // by the user: left as it was
  std::vector<std::string> assumed;  // the default, since it could not be found out
};
// Sets the kernel's keys that are not given to what the features say, so far as they matter to the
// plan.
Imitation imitate(config::Config& config, const NativeFeatures& features, const Plan& plan);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NATIVE_H_
