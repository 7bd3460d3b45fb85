// What the kernel model and the machine around it say to each other. Plain data.
#ifndef MMUSIM_KERNEL_PLATFORM_H_
#define MMUSIM_KERNEL_PLATFORM_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "base/types.h"
#include "mem/frames.h"
#include "mmu/layout.h"
#include "mmu/mmu.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::kernel {

// Contents that leave memory or come back: to a slot of swap space, or the file's own place.
struct PageTransfer {
  Pfn pfn;
  bool out = false;
  uint64_t slot = 0;   // 0: a file's page
  uint64_t file = 0;   // FileId; 0: anonymous
  uint64_t index = 0;  // in the file
};

// What the kernel runs on. All pointers must outlive it.
struct Platform {
  mem::FrameMemory* frames = nullptr;
  mem::ReferenceSink* sink = nullptr;
  pt::TableAllocator* tables = nullptr;
  pt::Factory* page_tables = nullptr;
  const pt::EntryFormat* format = nullptr;
  mmu::TlbMaintenance* tlbs = nullptr;
  unsigned cpus = 1;
  mmu::AddressLayout layout;
  PageShift page{12};
  // The size of huge pages: what an entry one level above the leaf tables maps on this
  // architecture (Linux: PMD_SIZE). Nothing: it has none.
  std::optional<PageShift> huge;
  // Called before 2^order frames of pages go back to the allocator; may be empty. For --check: by
  // then no TLB may reach them. (Table memory: TableAllocator::before_free.)
  std::function<void(Pfn first, unsigned order)> before_free;
  // Called with each page that is read or written by reclaim and faults; may be empty. For checks:
  // simulated pages have no contents.
  std::function<void(const PageTransfer&)> transfer;
};

enum class FaultOutcome : uint8_t {
  Fixed,    // retry the access
  Refused,  // the program had no right to it: Linux would send SIGSEGV. The access is skipped, and
            // counted.
  Gate,  // a call of the kernel's gate page, which is not mapped: done, and the access is skipped
  NoMemory,  // out of frames: Linux would kill something
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_PLATFORM_H_
