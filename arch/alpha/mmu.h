// One Alpha CPU's memory management: ITB, DTB, and PALcode's miss handlers.
//
// **An access** asks its side's TLB. On a miss PALcode loads the page's entry: through the DTB from
// the linear virtual page table, whose own page may be missing there, which a second handler then
// inserts; or, where the page table has no linear leaf tables, by a search of it. A valid entry is
// inserted as it is, and the access judged by it: enabled for the user (URE, UWE), no fault-on bit.
// Only an entry that faults on execution is kept out of the ITB. All else is the kernel's: a page
// fault, also for the accessed and dirty bits.
//
// The kernel's own accesses go through KSEG, which no TLB is asked for, and handlers' loads are
// physical, but for those of the linear table. Rights are those of user mode. Not thread-safe.
#ifndef MMUSIM_ARCH_ALPHA_MMU_H_
#define MMUSIM_ARCH_ALPHA_MMU_H_

#include <array>
#include <cstdint>
#include <string>

#include "arch/alpha/entry_format.h"
#include "arch/alpha/formats.h"
#include "arch/alpha/options.h"
#include "arch/alpha/steps.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpu.h"
#include "pt/page_table.h"
#include "stats/count.h"

namespace mmusim::alpha {

// Why PALcode calls the kernel (MMCSR).
enum class Cause : uint8_t {
  NotValid,         // TNV
  AccessViolation,  // ACV: URE or UWE is clear
  OnRead,           // FOR
  OnWrite,          // FOW
  OnExecute,        // FOE
};

// What is counted beside what all architectures count.
struct MmuCounts {
  stats::Count table_loads{"table.loads", "loads",
                           "Loads by PALcode from the linear virtual page table, one for each "
                           "miss; 0 where the page table has none."};
  stats::Count table_misses{"table.misses", "loads",
                            "... that did not find the table's page in the DTB.", "table.loads"};
  std::array<stats::Count, 5> causes{{
      // by Cause
      {"cause.not_valid", "faults", "Calls of the kernel because the entry is not valid."},
      {"cause.access_violation", "faults",
       "... because URE or UWE is clear (a page not accessed yet, or clean), or the address is not "
       "user space's."},
      {"cause.fault_on_read", "faults", "... because FOR is set."},
      {"cause.fault_on_write", "faults", "... because FOW is set."},
      {"cause.fault_on_execute", "faults", "... because FOE is set."},
  }};
};

// What tlb::Payload::extra says of an entry, beside the fault-on bits in their places in the PTE.
enum : uint8_t {
  kEntryUserRead = 0x10,
  kEntryUserWrite = 0x20,
  kEntryTable = 0x40,  // maps a page of the linear table
};

class Mmu final : public mmu::Cpu<kPage.log2(), MmuCounts> {
 public:
  // `linear`: the page tables have the leaf tables the linear table is made of. `code`: where
  // PALcode lies. `frames` and `sink` must outlive it.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool linear,
      PhysAddr code);

  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  // --- What the kernel does to this CPU
  // swpctx: ASN and page table. `table` must outlive its use.
  void load(Asn asn, pt::PageTable& table);
  // No address space: every access faults as not present.
  void unload();
  void invalidate_page(VirtAddr va);  // tbis, under the ASN that is loaded
  void invalidate_process();          // tbiap: all entries without ASM

  [[nodiscard]] Counters counters() const { return all_counters(); }

 private:
  [[nodiscard]] std::string lookup_text(VirtAddr va, const Hit& hit) const override;
  // A null hit: the kernel must see to it, miss_fault_ says why.
  Hit refill(const SideLevels& side, VirtAddr va, AccessKind kind);
  pt::Entry load_entry(VirtAddr va);
  Hit double_miss(VirtAddr va, VirtAddr table);
  Hit insert(const SideLevels& side, VirtAddr va, pt::Entry entry);
  void refuse(const tlb::Payload& entry, AccessKind kind);
  void note(Cause cause) { ++counters_.causes[static_cast<unsigned>(cause)]; }

  mem::FrameMemory* frames_;
  bool linear_;
  EntryFormat format_;
  pt::PageTable* table_ = nullptr;  // null: no address space
  Asn asn_ = 0;
};

}  // namespace mmusim::alpha

#endif  // MMUSIM_ARCH_ALPHA_MMU_H_
