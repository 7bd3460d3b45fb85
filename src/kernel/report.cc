#include "kernel/report.h"

#include <algorithm>
#include <vector>

#include "base/units.h"

namespace mmusim::kernel {

namespace {

struct Words {
  const char* name;
  const char* meaning;
};

constexpr Words kCauses[] = {
    {"anon_zero", "Faults that mapped the zero page: reads of untouched private memory."},
    {"anon", "Faults that mapped a new page: writes to untouched private memory."},
    {"file_map", "Faults that mapped pages of the page cache: reads of file or shared memory."},
    {"file_private", "Faults that made a copy of a file page not mapped before: private writes."},
    {"shared_write", "Faults that mapped a page of shared memory for writing."},
    {"cow_zero", "Writes to where the zero page was: a new page."},
    {"cow_copy", "Writes to a page that others hold too: a copy."},
    {"cow_reuse", "Writes to a write-protected page that nobody else holds: made writable."},
    {"shared_make_writable", "First writes to a page of a shared file that was read before."},
    {"swap_in", "Faults on a page in swap space: major, or minor where it had been read back."},
    {"hugetlb", "Faults that mapped a page of the hugetlb pool."},
    {"joined",
     "Faults that only joined another process's tables, which had the page "
     "(kernel.shared_tables)."},
    {"spurious", "Faults on an entry that was good enough already."},
};
static_assert(std::size(kCauses) == static_cast<size_t>(FaultCause::kCount));

constexpr Words kIgnored[] = {
    {"bad_range", "addresses unaligned, wrapping, overlapping or outside user space"},
    {"no_area", "nothing of what they name is mapped"},
    {"too_many_areas", "kernel.max_map_count was reached"},
    {"unknown_thread", "the end of a thread or process not seen before"},
    {"bad_child", "a fork's child was alive already (it is ended) or the parent itself"},
    {"no_memory", "no frame was free"},
    {"unsupported", "a kind of call that is not modelled"},
};
static_assert(std::size(kIgnored) == static_cast<size_t>(Ignored::kCount));

constexpr const char* kCalls[] = {"mmap",    "munmap", "mprotect",       "mremap",   "brk",
                                  "madvise", "mlock",  "munlock",        "truncate", "fallocate",
                                  "msync",   "thp",    "process_madvise"};
static_assert(std::size(kCalls) == static_cast<size_t>(Call::kCount));

constexpr const char* kKinds[] = {"anon", "file", "shmem"};
static_assert(std::size(kKinds) == kPageKinds);

// Only where there is swap space.
template <class Add, class State>
void report_swap(const Core& core, Add add, State state) {
  const Counters& c = core.counters;
  const uint64_t page = core.page().bytes();
  state("swap.in_use", core.swap->in_use() * page, "bytes", "Swap space in use now.");
  state("swap.peak", core.swap->peak() * page, "bytes", "The most swap space in use at any time.");
  state("swap.entries", c.swapped, "entries",
        "Page-table entries that name a page in swap space now (the sum of VmSwap).");
  add("swap.writes", c.swap_writes, "pages", "Pages written to swap space.");
  add("swap.reads", c.swap_reads, "pages", "Pages read back from swap space (major faults).",
      "kernel.faults.major");
  add("swap.hits", c.swap_hits, "faults",
      "Faults on a page in swap space that had been read back for another process (minor).");
  add("reclaim.runs", c.reclaim_runs, "times", "Times that pages were looked for to reclaim.");
  add("reclaim.scanned", c.reclaim_scanned, "pages", "Pages looked at in these.");
  add("reclaim.files", c.files_dropped, "pages", "Pages of files reclaimed.",
      "kernel.reclaim.scanned");
  add("reclaim.files_written", c.files_written, "pages", "... which had to be written first.",
      "kernel.reclaim.files");
  add("reclaim.files_reread", c.files_reread, "pages", "... which were read again later.",
      "kernel.reclaim.files");
  add("reclaim.freed", c.lazily_freed, "pages",
      "Pages given up by madvise(FREE), reclaimed without being written.");
}

constexpr Words kSplitCauses[] = {
    {"unmap", "part of it was unmapped, or its contents dropped"},
    {"protect", "part of it got other rights, or another area"},
    {"move", "part of it moved, or all to where it cannot be whole"},
    {"copy", "it was written to, and others held it too"},
    {"advice", "part of it was advised something"},
    {"reclaim", "a page of it was taken back"},
    {"promotion", "it was copied into a larger one"},
};
static_assert(std::size(kSplitCauses) == static_cast<size_t>(SplitCause::kCount));

// Those that kernel.thp.sizes names, and those a policy or a demotion makes.
std::vector<PageShift> reported_sizes(const Core& core) {
  std::vector<PageShift> sizes;
  for (const SizeRule& rule : core.settings.size_rules)
    sizes.push_back(rule.size);
  for (const BlockSize& size : core.sizes.candidates)
    if (std::find(sizes.begin(), sizes.end(), size.size) == sizes.end()) sizes.push_back(size.size);
  for (const auto* parts : {&core.sizes.leaf_parts, &core.sizes.hint_parts})
    sizes.insert(sizes.end(), parts->begin(), parts->end());
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

template <class Add, class State>
void report_sizes(const Core& core, Add add, State state) {
  const Counters& all = core.counters;
  const bool at_faults = core.settings.superpage_policy == SuperpagePolicyKind::Fault;
  const std::vector<PageShift> sizes = reported_sizes(core);
  if (sizes.empty()) return;
  const auto unwritten = core.page_frames.never_written();
  for (const PageShift size : sizes) {
    const auto found = all.sizes.find(size);
    const Counters::BySize c = found == all.sizes.end() ? Counters::BySize{} : found->second;
    const std::string name = "thp." + format_size(size.bytes()) + ".";
    if (at_faults)
      add(name + "made", c.made, "faults", "Faults that mapped a block of this size.",
          "kernel.thp.faults");
    add(name + "fallbacks", c.fallbacks, "faults",
        "Faults that found no memory in one piece for it, and went on with less.",
        "kernel.thp.fallbacks");
    if (core.settings.superpage_cow_whole)
      add(name + "cow", c.cow, "faults",
          "Writes to one that others held too, for which all of it was copied.",
          "kernel.faults.cow_copy");
    if (core.swap != nullptr && core.settings.superpage_swap != SuperpageSwap::Split) {
      add(name + "swapped", c.swapped_whole, "blocks",
          "Blocks of this size that went to swap space as a whole.");
      add(name + "swap_fallbacks", c.swap_fallbacks, "blocks",
          "... that were divided first, since there were no free slots side by side.");
      if (core.settings.superpage_swap == SuperpageSwap::Both)
        add(name + "swapped_back", c.swapped_back, "faults",
            "Faults that read a block of this size back as a whole.", "kernel.faults.swap_in");
    }
    if (!at_faults) {
      add(name + "promoted", c.promoted, "superpages",
          "Superpages of this size made of what was mapped already (kernel.superpage.policy).");
      add(name + "copied", c.copied, "superpages", "... by copying it into a new block.",
          "kernel." + name + "promoted");
      add(name + "unfit", c.unfit, "tries",
          "Tries to make one that found too few pages, or such as cannot be part of one.");
      add(name + "no_memory", c.no_memory, "tries",
          "Tries that found no memory in one piece for it, or none for tables.");
    }
    uint64_t splits = 0;
    for (const uint64_t value : c.splits.values)
      splits += value;
    add(name + "splits", splits, "pages",
        "Superpages of this size, leaves or groups, split into base pages, or demoted to smaller "
        "ones.",
        "kernel.thp.splits");
    for (size_t i = 0; i < std::size(kSplitCauses); ++i) {
      add(name + "splits." + kSplitCauses[i].name, c.splits.values[i], "pages",
          std::string("... because ") + kSplitCauses[i].meaning + ".", "kernel." + name + "splits");
    }
    if (core.settings.superpage_demotion != SuperpageDemotion::Base)
      add(name + "parts", c.parts, "superpages",
          "Superpages of this size that demotions of larger ones left (kernel.superpage.demote).");
    state(name + "mapped", c.mapped, "bytes", "Memory mapped by superpages of this size now.",
          "kernel.thp.mapped");
    state(name + "bloat", unwritten[core.sizes.order(size)] * core.page().bytes(), "bytes",
          "Memory of blocks of this size, there now, that was never written.",
          "mem.frames.anonymous");
  }
  add("thp.bloat", all.never_written * core.page().bytes(), "bytes",
      "Memory of blocks, of all sizes, that has gone again without ever having been written.");
}

template <class Add, class State>
void report_policy(const Core& core, Add add, State state) {
  const Counters& c = core.counters;
  const uint64_t page = core.page().bytes();
  switch (core.settings.superpage_policy) {
    case SuperpagePolicyKind::Fault:
      return;
    case SuperpagePolicyKind::Reserve:
      add("superpage.reservations", c.reservations, "blocks",
          "Blocks of frames set aside for the faults to come around a first one.");
      add("superpage.reservations.full", c.reservations_full, "blocks",
          "Times that every page of one was in use.", "kernel.superpage.reservations");
      add("superpage.reservations.returned", c.reservations_returned, "pages",
          "Pages of these that were given up, and whose frames stay for the next fault there.");
      add("superpage.reservations.left", c.reservations_left, "blocks",
          "... that ended because no page of it was in use, a part was moved, or the process "
          "ended.",
          "kernel.superpage.reservations");
      add("superpage.reservations.replaced", c.reservations_replaced, "blocks",
          "... because a page was wanted whose frame somebody else had (copy-on-write).",
          "kernel.superpage.reservations");
      add("superpage.reservations.broken", c.reservations_broken, "blocks",
          "... because memory was short, the one used longest ago first.",
          "kernel.superpage.reservations");
      state("superpage.reserved", c.reserved_pages * page, "bytes",
            "Memory set aside now, and not used.");
      return;
    case SuperpagePolicyKind::Promote:
      add("superpage.scanned", c.scanned_pages, "pages", "Base pages that scans found.");
      break;
    case SuperpagePolicyKind::Online:
      add("superpage.charges", c.charged_misses, "charges",
          "TLB misses charged to superpages, to each size there might be.");
      break;
  }
  add("superpage.copied", c.promotion_copies * page, "bytes",
      "Memory copied so that superpages could be made of it.");
}

}  // namespace

void report_counters(const Core& core, stats::Report& report) {
  const Counters& c = core.counters;
  const uint64_t page = core.page().bytes();
  const std::string prefix = "kernel.";
  const auto add = [&](const std::string& name, uint64_t value, const char* unit,
                       const std::string& meaning, const std::string& denominator = "") {
    report.add(prefix + name, value, unit, meaning, denominator);
  };
  const auto state = [&](const std::string& name, uint64_t value, const char* unit,
                         const std::string& meaning, const std::string& denominator = "") {
    report.state(prefix + name, value, unit, meaning, denominator);
  };

  add("faults.minor", c.minor, "faults",
      "Page faults that were put right without reading a file or swap space.");
  add("faults.major", c.major, "faults", "Page faults that had to read a file or swap space.");
  for (size_t i = 0; i < std::size(kCauses); ++i) {
    if (i == static_cast<size_t>(FaultCause::SwapIn) && core.swap == nullptr) continue;
    if (i == static_cast<size_t>(FaultCause::Joined) && core.settings.shared_table_bytes == 0)
      continue;
    add(std::string("faults.") + kCauses[i].name, c.cause.values[i], "faults", kCauses[i].meaning,
        "kernel.faults.minor");
  }
  add("faults.populate", c.populated, "faults",
      "Minor faults made by system calls (MAP_POPULATE and the like), not by references.",
      "kernel.faults.minor");
  add("faults.around", c.around, "pages", "Pages that faults mapped beside the one asked for.",
      "kernel.faults.file_map");
  add("refused", c.refused, "faults",
      "Faults of references the process has no right to: skipped (Linux: SIGSEGV, SIGBUS).");
  add("refused.no_place", c.refused_no_place, "faults",
      "Of these, where the process has a right to the access but the machine, or its page table, "
      "has no place for the address.",
      "kernel.refused");
  add("refused.no_huge_page", c.refused_no_huge_page, "faults",
      "Of these, where the pool of huge pages was empty (kernel.hugetlb_pages).", "kernel.refused");
  add("guards", c.guards_installed, "pages",
      "Pages guarded by madvise(GUARD_INSTALL), where they were not before.");
  add("guards.refused", c.guards_met, "faults", "Faults refused because the page is guarded.",
      "kernel.refused");
  add("no_memory", c.no_memory, "faults", "Faults that found no free frame: skipped.");

  for (unsigned k = 0; k < kPageKinds; ++k) {
    state(std::string("rss.") + kKinds[k], c.rss[k] * page, "bytes",
          std::string("Resident memory of that kind now, all address spaces."));
    state(std::string("rss.") + kKinds[k] + "_peak", c.rss_peak[k] * page, "bytes",
          std::string("The most resident memory of that kind at any time."));
  }
  state("rss.total_peak", c.rss_total_peak * page, "bytes",
        "The most resident memory of all kinds together at any time.");
  add("thp.faults", c.huge_faults, "faults",
      "Minor faults that mapped a transparent huge page of private memory, of any size, also of "
      "zeros.",
      "kernel.faults.minor");
  add("thp.fallbacks", c.huge_fallbacks, "faults",
      "Faults that could have mapped a huge page, but for want of memory in one piece.");
  add("thp.splits", c.huge_splits, "pages",
      "Huge pages split into base pages, or demoted to smaller ones.");
  add("thp.folio_splits", c.folio_splits, "pages",
      "Huge pages taken apart for madvise(FREE, COLD, PAGEOUT), frame by frame.");
  add("thp.unused", c.huge_unused, "pages",
      "Base pages given up then, since nobody had written to them.", "kernel.thp.folio_splits");
  add("thp.collapses", c.huge_collapses, "pages",
      "Huge pages made by madvise(COLLAPSE) out of base pages.");
  add("thp.shared", c.huge_shared, "pages",
      "Huge pages of shared memory made by madvise(COLLAPSE), in the page cache.");
  add("thp.shared.maps", c.huge_shared_maps, "leaves",
      "Huge leaves made for these, by COLLAPSE and by faults.");
  add("thp.impossible", c.huge_impossible, "calls",
      "Calls of madvise(COLLAPSE) refused where Linux would have tried: processor or page table "
      "have "
      "no huge pages, the page table makes none of base pages, or tables are shared "
      "(kernel.shared_tables).");
  state("thp.mapped", c.huge_bytes, "bytes", "Memory mapped by transparent huge pages now.");
  state("thp.deposited", c.deposit_bytes, "bytes",
        "Page tables set aside now so that huge pages can be split.", "kernel.page_tables.bytes");
  report_sizes(core, add, state);
  report_policy(core, add, state);
  state("hugetlb.mapped", c.hugetlb_bytes, "bytes",
        "Memory of the hugetlb pool mapped now, all address spaces; not in the resident memory.");
  add("hugetlb.refused", c.hugetlb_refused, "calls",
      "Mappings the hugetlb pool had too few pages for; recorded ones got ordinary pages.");
  if (core.swap != nullptr)
    report_swap(core, add, state);
  else
    add("paged_out", c.paged_out, "pages",
        "Pages unmapped by madvise(PAGEOUT), without swap space.");
  const uint64_t tables = core.platform.tables->bytes_in_use() - c.root_bytes;
  state("page_tables.bytes", tables, "bytes",
        "Page tables now, without roots, all address spaces (the sum of VmPTE).");
  state("page_tables.peak", c.table_bytes_peak, "bytes",
        "The most bytes of page tables, without roots, at the end of any fault or fork.");
  state("page_tables.roots", c.root_bytes, "bytes", "Roots of page tables now.");
  add("page_tables.allocated", core.platform.tables->allocations(), "tables",
      "Page tables made, roots included.");
  add("page_tables.freed", c.tables_freed, "tables", "Page tables freed, without roots.",
      "kernel.page_tables.allocated");
  if (core.settings.shared_table_bytes != 0) {
    state("page_tables.block", core.settings.shared_table_bytes, "bytes",
          "Of the blocks in which page tables are shared.");
    add("page_tables.joined", c.tables_joined, "blocks",
        "Times a fault found its block in another process's tables (kernel.shared_tables).");
    add("page_tables.left", c.tables_left, "blocks",
        "Times a process no longer shared the tables of a block, to change or unmap something.");
  }
  state("page_cache", core.cache.cached_pages() * page, "bytes", "Pages of files in memory now.");
  add("frames_freed", c.frames_freed, "frames", "Frames of pages given back.");

  state("spaces", c.spaces, "address spaces", "Address spaces alive now.");
  state("spaces_peak", c.spaces_peak, "address spaces", "The most address spaces alive.");
  state("vmas", c.vmas, "areas", "Areas (VMAs) now, all address spaces.");
  state("vmas_peak", c.vmas_peak, "areas", "The most areas at any time.");
  add("stack_growths", c.stack_growths, "faults", "Faults that lowered the start of a stack.");

  add("forks", c.forks, "forks", "Forks that copied an address space.");
  add("forks.entries", c.fork_entries, "entries", "Page-table entries that forks copied.",
      "kernel.forks");
  add("forks.protected", c.fork_protected, "entries",
      "Entries of parents that forks write-protected.", "kernel.forks.entries");
  add("forks.shared", c.shared_forks, "forks", "Forks that share the address space (vfork).");
  add("threads", c.threads, "threads", "Threads made by clone.");
  add("threads.implied", c.late_threads, "threads",
      "Threads first seen running, their start unseen.");
  add("execs", c.execs, "execs", "Programs started.");
  add("exits", c.exits, "exits", "Processes that ended.");
  add("waits", c.waits, "waits", "Ended processes that were waited for.");
  add("switches", c.switches, "switches", "Times a CPU went on with another thread.");
  if (core.platform.cpus > 1)
    add("switches.cycles", c.switches * core.platform.sink->costs().context_switch, "cycles",
        "kernel.switches times cost.context_switch; not in mmu.cycles.");
  for (size_t i = 0; i < std::size(kCalls); ++i)
    add(std::string("calls.") + kCalls[i], c.calls.values[i], "calls",
        std::string("System calls ") + kCalls[i] + ", failed ones included.");
  add("calls.failed", c.failed_calls, "calls",
      "Memory system calls that returned an error (or were recorded so, and not carried out).");

  add("calls.left_out", c.left_out, "calls",
      "Recorded calls of kinds that are not modelled (userfaultfd, shmat, ...), not carried out.");
  add("files.truncated", c.truncations, "calls", "Times a file got another length.");
  add("files.holes", c.holes, "holes",
      "Holes punched into files, by fallocate or madvise(REMOVE).");
  add("files.synced", c.written_back, "pages", "Pages of dirty folios written back by msync.");

  add("flushes.range", c.flush_ranges, "flushes", "TLB flushes of a range asked for.");
  add("flushes.range_pages", c.flush_pages, "pages", "Pages these ranges cover, at their stride.",
      "kernel.flushes.range");
  add("flushes.page", c.flush_single, "flushes",
      "TLB flushes of one page asked for: copied on write, or reclaimed.");
  add("flushes.mm", c.flush_mms, "flushes", "TLB flushes of a whole address space asked for.");
  add("flushes.local", c.flush_local, "flushes",
      "One page dropped from one CPU's TLB after a fault upgraded its entry or found it good.");

  if (core.settings.special_pages)
    add("gate", c.gate_accesses, "accesses",
        "Calls of the gate page that faulted, as it is mapped nowhere, and the kernel answered.");
  add("implied.areas", c.implied_areas, "areas",
      "Areas made because a reference touched none; many merge at once.");
  add("implied.pages", c.implied_pages, "pages", "Pages mapped in implied areas.");
  add("implied.widened", c.implied_widened, "areas",
      "Times an implied area was given a right it lacked.");
  add("replaced", c.replaced, "calls",
      "Recorded mappings that fell on something mapped already, which was unmapped.");
  add("files.unnamed", c.unnamed_files, "files",
      "Mapped files whose name the trace does not tell.");
  for (size_t i = 0; i < std::size(kIgnored); ++i)
    add(std::string("ignored.") + kIgnored[i].name, c.ignored.values[i], "events",
        std::string("Events, or parts of them, not carried out: ") + kIgnored[i].meaning + ".");
}

}  // namespace mmusim::kernel
