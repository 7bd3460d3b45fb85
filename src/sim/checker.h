// Checking mode: no stale translation, ever.
//
// - Each translation used is compared with the page table of the running address space.
// - After each event, and now and then between, each translation any TLB could still use is
//   compared with the page table of its address space: none may outlive its flush. Of the copies of
//   page tables that hardware walks it is those of who runs, after each event, and some of the
//   others, in turn, so that an event costs no more the more processes there are; all of them now
//   and then, and at the end.
// - A frame about to be freed must not be reachable from any TLB, nor a table from any walk cache;
//   no translation ever leads to a table.
// A TLB entry may allow less than the page table (hardware finds out by a spurious fault), never
// more, and never lead to another frame, at any page it covers. A violation is an Error saying what
// was found: it is a defect of the simulator (or of a page-table backend), caught at the reference
// that shows it.
#ifndef MMUSIM_SIM_CHECKER_H_
#define MMUSIM_SIM_CHECKER_H_

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "kernel/kernel.h"
#include "mem/frames.h"
#include "mmu/mmu.h"
#include "pt/entry.h"
#include "stats/report.h"

namespace mmusim::sim {

class Checker {
 public:
  Checker(const mmu::TlbMaintenance& tlbs, const pt::EntryFormat& format,
          const mem::FrameMemory& frames)
      : tlbs_(tlbs), format_(format), frames_(frames) {}
  // Set once, when the kernel has been made (the kernel is made with this checker's before_free).
  // What is in use by then the machine has set aside for good.
  void watch(const kernel::Kernel& kernel, unsigned cpus) {
    kernel_ = &kernel;
    cpus_ = cpus;
    set_aside_ = frames_.total_frames() - frames_.free_frames();
  }

  void check_translation(CpuId cpu, VirtAddr va, AccessKind kind,
                         const mmu::Translation& translation);
  // An access was made, also one that ends in a fault: TLBs may hold what they did not before.
  void accessed() {
    reachable_known_ = false;
    frees_since_access_ = 0;
  }
  void check_after_event();
  void check_everything();
  // Called by the kernel before 2^order frames go back to the allocator.
  void before_free(Pfn first, unsigned order);
  // After the kernel has shut down: every frame must be free but those the machine had set aside.
  // What it set aside may have grown by `growth` bytes since.
  void check_no_leaks(uint64_t growth) const;

  void report(stats::Report& report) const;

 private:
  static constexpr uint64_t kSweepInterval = 1 << 16;  // translations between two full sweeps

  // Of how many frees between two accesses every TLB entry is looked at; then those that could be
  // reached are noted once. Nothing enters a TLB but by an access, so that the notes may say too
  // much and never too little.
  static constexpr uint64_t kFewFrees = 4;

  // Entries in copies of those who do not run, looked at after an event: then no more are begun.
  static constexpr uint64_t kFewEntries = 1024;

  void check_entry(const mmu::CachedTranslation& entry);
  void check_copy(MmId mm);
  [[nodiscard]] bool runs(MmId mm) const;
  [[nodiscard]] bool is_table(Pfn pfn) const;
  void find_reachable();
  [[nodiscard]] bool may_be_reachable(Pfn first, uint64_t count) const;
  void check_unreachable(Pfn first, uint64_t count);
  // The leaf at `va`, with which a translation that leads from there to `pfn` agrees.
  pt::Lookup compare(const char* where, const pt::PageTable& table, VirtAddr va, Pfn pfn,
                     Rights rights);

  const mmu::TlbMaintenance& tlbs_;
  const pt::EntryFormat& format_;
  const mem::FrameMemory& frames_;
  const kernel::Kernel* kernel_ = nullptr;
  unsigned cpus_ = 0;
  MmId last_copy_{0};       // looked at in turn
  uint64_t set_aside_ = 0;  // frames
  uint64_t translations_ = 0;
  uint64_t sweeps_ = 0;
  uint64_t entries_ = 0;
  uint64_t frees_ = 0;
  uint64_t scans_ = 0;
  uint64_t frees_since_access_ = 0;
  bool reachable_known_ = false;
  std::vector<uint64_t> reachable_;  // a bit for each frame
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CHECKER_H_
