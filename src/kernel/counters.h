// What the kernel model counts, kept as plain integers and said once by report().
#ifndef MMUSIM_KERNEL_COUNTERS_H_
#define MMUSIM_KERNEL_COUNTERS_H_

#include <array>
#include <cstdint>
#include <map>

#include "kernel/address_space.h"

namespace mmusim::kernel {

// What a fault turned out to need. Each fault that finishes has exactly one.
enum class FaultCause : uint8_t {
  AnonymousZero,       // read of untouched private memory: the zero page
  Anonymous,           // write to untouched private memory: a new page
  FileMap,             // read of file or shared memory: pages of the cache
  FilePrivate,         // write to untouched private file memory: a copy
  SharedWrite,         // write to untouched shared memory
  CowZero,             // write where the zero page was
  CowCopy,             // write to a page others hold too: a copy
  CowReuse,            // write to a page nobody else holds any more: made writable
  SharedMakeWritable,  // first write to a clean page of a shared file
  SwapIn,              // a page that was in swap space
  HugeTlb,             // untouched memory of the hugetlb pool: one of its pages
  Joined,              // the page was in tables of another process, now this one's too
  Spurious,            // the entry was good enough already
  kCount,
};

// Why an event of the trace, or a part of it, was not carried out.
enum class Ignored : uint8_t {
  BadRange,       // addresses that are unaligned, wrap, or lie outside user space
  NoArea,         // nothing of what the event names is mapped
  TooManyAreas,   // kernel.max_map_count
  UnknownThread,  // end of a thread or process nobody has seen
  BadChild,       // fork whose child is its parent, or already there
  NoMemory,       // no frames
  Unsupported,    // a kind of call or area that is not modelled
  kCount,
};

// Why a superpage of private memory did not stay whole.
enum class SplitCause : uint8_t {
  Unmap,      // a part was unmapped, or its contents dropped
  Protect,    // a part got other rights, or another area
  Move,       // a part moved, or the whole to where it cannot be whole
  Copy,       // a write to one that others hold
  Advice,     // advice about a part
  Reclaim,    // a page of it was taken back
  Promotion,  // it became part of a larger one, by copying
  kCount,
};

enum class Call : uint8_t {
  Mmap,
  Munmap,
  Mprotect,
  Mremap,
  Brk,
  Madvise,
  Mlock,
  Munlock,
  Truncate,
  Fallocate,
  Msync,
  Thp,  // prctl(PR_SET_THP_DISABLE)
  ProcessMadvise,
  kCount,
};

template <class Enum>
struct CountBy {
  std::array<uint64_t, static_cast<size_t>(Enum::kCount)> values{};
  uint64_t& operator[](Enum e) { return values[static_cast<size_t>(e)]; }
  uint64_t operator[](Enum e) const { return values[static_cast<size_t>(e)]; }
};

struct Counters {
  uint64_t minor = 0;
  uint64_t major = 0;
  CountBy<FaultCause> cause;
  uint64_t populated = 0;  // of the minor ones: made by system calls
  uint64_t around = 0;     // pages mapped beside the one asked for
  uint64_t refused = 0;
  // Of those: the program had a right to the access, and on another machine would have had it.
  uint64_t refused_no_place = 0;      // the machine cannot map the address
  uint64_t refused_no_huge_page = 0;  // the pool of huge pages was empty
  uint64_t no_memory = 0;

  std::array<uint64_t, kPageKinds> rss{};  // pages, all address spaces
  std::array<uint64_t, kPageKinds> rss_peak{};
  uint64_t rss_total_peak = 0;
  uint64_t root_bytes = 0;
  uint64_t table_bytes_peak = 0;
  uint64_t tables_freed = 0;
  uint64_t tables_joined = 0;
  uint64_t tables_left = 0;
  uint64_t vmas = 0;
  uint64_t vmas_peak = 0;
  uint64_t spaces = 0;
  uint64_t spaces_peak = 0;

  CountBy<Call> calls;
  uint64_t failed_calls = 0;
  uint64_t forks = 0;
  uint64_t shared_forks = 0;
  uint64_t threads = 0;
  uint64_t execs = 0;
  uint64_t exits = 0;
  uint64_t waits = 0;
  uint64_t switches = 0;
  uint64_t late_threads = 0;
  uint64_t fork_entries = 0;
  uint64_t fork_protected = 0;
  uint64_t stack_growths = 0;

  // Of one size of superpages.
  struct BySize {
    uint64_t made = 0;       // by faults
    uint64_t fallbacks = 0;  // faults that found no memory in one piece for it
    CountBy<SplitCause> splits;
    uint64_t parts = 0;           // that demotions of larger ones left
    uint64_t mapped = 0;          // bytes, by leaves of the size, now
    uint64_t swapped_whole = 0;   // into slots side by side
    uint64_t swap_fallbacks = 0;  // there were none such: page by page
    uint64_t swapped_back = 0;    // ... and from there, by one fault
    uint64_t cow = 0;             // copied whole by a write (kernel.superpage.cow)
    uint64_t promoted = 0;        // made of what was mapped already (kernel.superpage.policy)
    uint64_t copied = 0;          // of these: by copying it
    uint64_t unfit = 0;           // tries that found that it cannot be
    uint64_t no_memory = 0;       // ... no memory for it
  };
  std::map<PageShift, BySize> sizes;
  uint64_t promotion_copies = 0;  // base pages copied for promotions
  // Blocks of frames set aside for later faults (kernel.superpage.policy=reserve).
  uint64_t reservations = 0;           // made
  uint64_t reservations_full = 0;      // all of one was in use, each time
  uint64_t reservations_returned = 0;  // pages that were given up, and went back to their places
  uint64_t reservations_left = 0;      // ended: all unmapped, a part moved, or its process gone
  uint64_t reservations_replaced = 0;  // ... a page of it was wanted a second time
  uint64_t reservations_broken = 0;    // ... for want of memory
  uint64_t reserved_pages = 0;         // set aside now
  uint64_t scanned_pages = 0;          // found by scans (kernel.superpage.policy=promote)
  uint64_t charged_misses = 0;         // charged to candidates (kernel.superpage.policy=online)
  uint64_t never_written = 0;          // pages of blocks that went without having been written

  uint64_t huge_faults = 0;     // that mapped a huge page
  uint64_t huge_fallbacks = 0;  // that had to do with base pages for want of memory
  uint64_t huge_splits = 0;
  uint64_t folio_splits = 0;
  uint64_t huge_unused = 0;  // pages of these nobody had written to
  uint64_t huge_collapses = 0;
  uint64_t huge_shared = 0;       // folios of shared memory made so
  uint64_t huge_shared_maps = 0;  // huge leaves for these
  uint64_t huge_impossible = 0;   // calls of MADV_COLLAPSE that could not make a huge page
  uint64_t huge_bytes = 0;        // mapped by transparent huge pages now, with the huge zero page
  uint64_t deposit_bytes = 0;     // of tables set aside for them
  uint64_t hugetlb_bytes = 0;     // mapped from the hugetlb pool now
  uint64_t hugetlb_refused = 0;

  uint64_t swapped = 0;      // entries of page tables that name a swap slot now
  uint64_t swap_writes = 0;  // pages
  uint64_t swap_reads = 0;
  uint64_t swap_hits = 0;      // faults on such an entry whose page had been read back already
  uint64_t files_dropped = 0;  // pages of files, reclaimed
  uint64_t files_written = 0;  // of these: were dirty
  uint64_t files_reread = 0;
  uint64_t written_back = 0;  // by msync
  uint64_t truncations = 0;
  uint64_t holes = 0;
  uint64_t lazily_freed = 0;  // MADV_FREE
  uint64_t paged_out = 0;     // MADV_PAGEOUT without swap space
  uint64_t reclaim_runs = 0;
  uint64_t reclaim_scanned = 0;

  uint64_t guards_installed = 0;  // pages
  uint64_t guards_met = 0;        // faults refused

  uint64_t flush_ranges = 0;
  uint64_t flush_pages = 0;
  uint64_t flush_single = 0;
  uint64_t flush_mms = 0;
  uint64_t flush_local = 0;
  uint64_t frames_freed = 0;

  uint64_t gate_accesses = 0;
  uint64_t implied_areas = 0;
  uint64_t implied_pages = 0;
  uint64_t implied_widened = 0;
  uint64_t replaced = 0;
  uint64_t unnamed_files = 0;
  CountBy<Ignored> ignored;
  uint64_t left_out = 0;  // recorded calls of a kind that is not modelled
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_COUNTERS_H_
