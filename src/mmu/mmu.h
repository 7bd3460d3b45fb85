// What an architecture's MMU is to the rest of the simulator.
//
// The replay loop is instantiated per architecture on the concrete class, so that a TLB hit costs
// no virtual call; the kernel and the checker, which are rarely called, use these interfaces.
#ifndef MMUSIM_MMU_MMU_H_
#define MMUSIM_MMU_MMU_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"
#include "stats/report.h"

namespace mmusim::mmu {

enum class FaultReason : uint8_t {
  None,
  NotPresent,    // no translation
  Protection,    // a translation that does not allow the access
  NonCanonical,  // not an address of this architecture's user space
  Malformed,     // reserved bits set in an entry: never on a healthy page table
  NoMemory,      // the page is mapped, but a copy of the page table had no memory for it
};
inline constexpr size_t kFaultReasons = 6;
const char* name_of(FaultReason reason);

struct Translation {
  FaultReason fault = FaultReason::None;
  PageShift size;  // of the leaf; valid without fault, as what follows
  Rights rights;
  Pfn pfn;  // of the base page accessed
  [[nodiscard]] bool ok() const { return fault == FaultReason::None; }
};

// A translation some TLB of the machine holds.
struct CachedTranslation {
  CpuId cpu;
  MmId mm;
  VirtAddr base;
  PageShift size;
  Pfn pfn;  // first frame of the leaf
  Rights rights;
  const char* where;  // "l1d", "l2", ...
};

// On whose behalf the kernel flushes a range, which its ports carry out differently.
enum class RangeFlush : uint8_t {
  // What an mmu_gather has collected: munmap, madvise, a page's tables left. Its stride and whether
  // tables went are known.
  Unmap,
  // What mprotect has changed: flush_tlb_range, an mmu_gather since Linux 5.19.
  Protect,
  // flush_tlb_range, which knows no more than the range: mremap's moves; flush_pmd_tlb_range, for a
  // huge page that is split, made of small ones, or takes the place of zeros.
  Change,
};

// Of a machine, so that a word has a bit for each.
inline constexpr unsigned kMostCpus = 64;

// All CPUs' TLBs as the kernel drives them. On return from a flush no TLB, walk cache or software
// TLB can give a translation that the page table no longer has.
//
// Which CPUs a flush must reach, and whether by interrupting them, by a broadcast of the hardware
// or not until they come back, is the architecture's to know: from where each address space was
// activated, which CPUs are idle, who asks, and whether somebody else has the address space too.
class TlbMaintenance {
 public:
  virtual ~TlbMaintenance() = default;

  // The kernel's own page table, which is every address space's in `range`, outside of user space:
  // its gate page (layout.h). Never changes. Must outlive it.
  virtual void set_gate(VirtRange /*range*/, pt::PageTable& /*kernel_table*/) {}
  // The CPU the kernel works on from now on: who asks for the flushes that follow needs no
  // interrupt.
  void work_on(CpuId cpu) { asker_ = cpu; }

  // Context switch: `cpu` goes on in address space `mm`, whose table outlives its use (forget()).
  // False: there is no memory for what the hardware needs to run it, and nothing has changed.
  virtual bool activate(CpuId cpu, MmId mm, pt::PageTable& table) = 0;
  // Nobody runs on `cpu` now. It keeps the address space loaded (Linux: lazy TLB mode) until the
  // next activate(), makes no accesses, and may be left alone by flushes if it catches up by then.
  virtual void idle(CpuId /*cpu*/) {}
  // Whether more than one thread runs in the address space from now on (Linux: mm_users > 1); not
  // so when it is new.
  virtual void shared(MmId /*mm*/, bool /*more_than_one*/) {}
  // Translations of `range` are gone or less permissive; entries are at least `stride` big.
  // freed_tables: table pages were unlinked too, so walk caches must go.
  virtual void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables,
                           RangeFlush why) = 0;
  void flush_range(MmId mm, VirtRange range, PageShift stride, bool freed_tables) {
    flush_range(mm, range, stride, freed_tables, RangeFlush::Unmap);
  }
  // One translation, of this size at `va`, is gone or another (Linux: flush_tlb_page, called for a
  // copy on write, and by who comes from a page's reverse map). `code`: its area may be executed.
  virtual void flush_page(MmId mm, VirtAddr va, PageShift size, bool /*code*/) {
    flush_range(mm, {va, va + size.bytes()}, size, false, RangeFlush::Unmap);
  }
  // All of an address space (Linux: flush_tlb_mm, after a fork).
  virtual void flush_mm(MmId mm) = 0;
  // The same when it has been taken apart (exit_mmap): nobody will run in it again.
  virtual void flush_dead(MmId mm) { flush_mm(mm); }
  // After a fault of `cpu` found the entry sufficient (spurious), or gave it more rights (Linux:
  // flush_tlb_fix_spurious_fault, ptep_set_access_flags): this CPU may have a weaker translation.
  // So may others, which would find out by themselves; ports that flush a page everywhere tell
  // them.
  // `code`: as flush_page().
  virtual void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool code) = 0;
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va) { flush_local_page(cpu, mm, va, false); }
  // After a fault of `mm` was fixed, and of a fork's child when it is made: so many base pages are
  // resident that are not parts of huge leaves, and so many huge leaves there are. For who sizes a
  // software TLB by it.
  virtual void resident(MmId /*mm*/, uint64_t /*base_pages*/, uint64_t /*huge_leaves*/) {}
  // A page table's memory is about to be used for something else. After a flush that said so it is
  // no news; a page table that replaces a table of its own by another one, with the same
  // translations, asks for none. Walk caches that still know the table must then let go of it, on
  // all CPUs.
  virtual void table_freed(PhysAddr /*address*/, uint64_t /*bytes*/) {}
  // The address space is dead; its tables are about to be freed.
  virtual void forget(MmId mm) = 0;
  // Memory is short: gives up what software TLBs can do without until it is asked for again (as a
  // shrinker of Linux's). Whether that was any memory.
  virtual bool shrink() { return false; }

  // For --check: every translation any TLB could still use, of the hardware's and of software's;
  // but not those in copies of page tables (table_copy.h), of which each address space has its own.
  using TranslationVisit = std::function<void(const CachedTranslation&)>;
  virtual void for_each_entry(const TranslationVisit& visit) const = 0;
  // The address spaces that have copies, in order, and what is in one.
  [[nodiscard]] virtual std::vector<MmId> copied() const { return {}; }
  virtual void for_each_copied(MmId /*mm*/, const TranslationVisit& /*visit*/) const {}
  // The page sizes the last levels of the TLBs hold, ascending, and how many entries of each were
  // put into them, all CPUs together: misses that found a translation, the kernel's own too. Empty:
  // not known.
  struct SizeFills {
    PageShift size;
    uint64_t fills = 0;
  };
  [[nodiscard]] virtual std::vector<SizeFills> fills_by_size() const { return {}; }

  // --- TLB reach, where somebody wants to know: what the entries of a CPU's last levels that are
  // of address spaces cover, looked at at every 64th miss of theirs, of all CPUs together.
  struct Reach {
    uint64_t samples = 0;
    std::map<PageShift, uint64_t> bytes;  // by the entries' size, of all samples together
    uint64_t last = 0;                    // of all sizes, at the last sample
  };
  void watch_reach() { watches_reach_ = true; }
  [[nodiscard]] bool watches_reach() const { return watches_reach_; }
  // An access missed in the last level of the CPU's TLBs, and has succeeded since.
  void note_miss(CpuId cpu) {
    if (++misses_ % kReachInterval == 0) look_at_reach(cpu);
  }
  [[nodiscard]] const Reach& reach() const { return reach_; }

  // All of them.
  void for_each_translation(const TranslationVisit& visit) const {
    for_each_entry(visit);
    for (const MmId mm : copied())
      for_each_copied(mm, visit);
  }
  // For --check: whether any walk cache still points at a table in [address, address + bytes).
  [[nodiscard]] virtual bool walk_caches_reach(PhysAddr address, uint64_t bytes) const = 0;

  virtual void report(stats::Report& report) const = 0;

 protected:
  [[nodiscard]] CpuId asker() const { return asker_; }
  // visit(size), for each entry of the CPU's last levels by which an address space can translate.
  using SizeVisit = std::function<void(PageShift)>;
  virtual void for_each_last_entry(CpuId /*cpu*/, const SizeVisit& /*visit*/) const {}

 private:
  static constexpr uint64_t kReachInterval = 64;
  void look_at_reach(CpuId cpu);

  CpuId asker_{0};
  bool watches_reach_ = false;
  uint64_t misses_ = 0;
  Reach reach_;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_MMU_H_
