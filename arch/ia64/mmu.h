// One IA-64 CPU's memory management: TLBs with translation registers, region registers, the VHPT
// walker, and Linux's miss handlers.
//
// **An access** asks the first level of its side, then the second; then the walker, or a handler,
// inserts a translation in both. What was found is judged in the order of the architecture (SDM
// vol. 2, 5.5.2): page not present, access rights, accessed bit, dirty bit. An entry with P = 0 is
// inserted like any other and purged by the page-not-present handler. A and D are set by handlers,
// in the kernel's page table first. Only what no handler can mend is a fault to the caller.
//
// **Levels** are non-inclusive and non-exclusive; a first level that holds 4K only holds parts of
// larger pages. Entries of the linear table's pages are in the second-level data TLB only, through
// which the walker goes.
//
// Rights are those of user level. Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_MMU_H_
#define MMUSIM_ARCH_IA64_MMU_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arch/ia64/entry_format.h"
#include "arch/ia64/formats.h"
#include "arch/ia64/options.h"
#include "arch/ia64/steps.h"
#include "arch/ia64/vhpt.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/cpu.h"
#include "mmu/table_copy.h"
#include "pt/page_table.h"
#include "stats/count.h"

namespace mmusim::ia64 {

using Context = uint32_t;  // Linux's number of an address space; 0 is the kernel's

struct WalkerCounts {
  stats::Count walks{"walker.walks", "walks", "Searches by the VHPT walker."};
  stats::Count walks_hit{"walker.inserted", "walks", "... that inserted what they found.",
                         "walker.walks"};
  stats::Count walks_absent{"walker.absent", "walks", "... which was a word that is not present.",
                            "walker.inserted"};
  stats::Count table_misses{"walker.table_misses", "walks",
                            "... that did not find the linear table's page in the DTLB.",
                            "walker.walks"};
  stats::Count walks_refused{
      "walker.refused", "walks",
      "... that ended at another page's entry, or at one that cannot be inserted.", "walker.walks"};
  stats::Count identity_lookups{"identity.lookups", "accesses",
                                "Accesses through region 7 by the kernel while it fixed faults."};
  stats::Count identity_misses{"identity.misses", "accesses",
                               "... for which the DTLB had no translation.", "identity.lookups"};
};

// The linear table where it is a copy (see Mmu::load()).
struct LinearCounts {
  stats::Count linear_lookups{
      "linear.lookups", "lookups",
      "Searches of the kernel's page table because its copy, the linear table, had nothing; 0 "
      "where the linear table is the page table's own."};
  stats::Count linear_fills{"linear.fills", "entries", "... that found the page and copied it.",
                            "linear.lookups"};
};

struct MmuCounts : WalkerCounts, LinearCounts {
  VhptCounts vhpt;
};

// What tlb::Payload::extra says of an entry.
enum : uint8_t {
  kEntryPresent = 1,
  kEntryAccessed = 2,
  kEntryTable = 4,  // maps a page of the linear table
};

class Mmu final : public mmu::Cpu<12, MmuCounts> {
 public:
  // `direct`: the kernel's page tables are Linux's radix tables, whose leaf words stay where they
  // are. `code`: where the handlers lie. `options`, `frames` and `sink` must outlive it. Errors:
  // Error when there is no memory for the VHPT.
  Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool direct,
      PhysAddr code);

  [[gnu::always_inline]] void expect(VirtAddr va) {
    if (vhpt_) vhpt_->expect(va, rid_of(va));
  }
  mmu::Translation access(VirtAddr va, AccessKind kind, bool retry);

  // --- What the kernel does to this CPU
  // Writes region registers 0 to 4. `table`: what handlers search; `linear`: what the short
  // format's linear table is made of, null where that is `table` itself: a copy of it, with leaf
  // tables of Linux's shape, filled a word at a time by handlers that find nothing there. Its words
  // are base pages, as the short format knows only the region's preferred size; accessed and dirty
  // bits are set in `table` first. Both must outlive their
  // use.
  void load(Context context, pt::PageTable& table, mmu::TableCopy* linear);
  // What translates addresses in `range`, in the kernel's region, whoever runs; and what of it the
  // walker reads in the short format, where it cannot read the table itself.
  void set_gate(VirtRange range, pt::PageTable& table, mmu::TableCopy* linear);
  // No address space: every access faults as not present.
  void unload();
  // ptc: what overlaps [range) under the RID of its region in that context, on both sides.
  void purge(VirtRange range, Context context);
  // The VHPT's entries of these pages.
  void purge_vhpt(VirtRange range, Context context);
  // ptc.e and, in long format, the whole VHPT.
  void purge_all();

  [[nodiscard]] Rid rid_of(VirtAddr va, Context context) const;
  [[nodiscard]] Rid rid_of(VirtAddr va) const { return registers_[region_of(va)].rid; }
  [[nodiscard]] const RegionRegister& region_register(unsigned region) const {
    return registers_[region];
  }
  // The context a RID of user space belongs to.
  [[nodiscard]] Context context_of(Rid rid) const;
  [[nodiscard]] const Hash& hash() const { return hash_; }

  // --- For checks and reports
  [[nodiscard]] LongVhpt* vhpt() { return vhpt_ ? &*vhpt_ : nullptr; }
  [[nodiscard]] const LongVhpt* vhpt() const { return vhpt_ ? &*vhpt_ : nullptr; }
  [[nodiscard]] Counters counters() const;

 private:
  [[nodiscard]] pt::PageTable& table_of(VirtAddr va) {
    return gate_.contains(va) ? *gate_table_ : *table_;
  }
  [[nodiscard]] mmu::TableCopy* linear_of(VirtAddr va) {
    return gate_.contains(va) ? gate_linear_ : linear_;
  }
  // What the linear table is made of.
  [[nodiscard]] const pt::PageTable& linear_source(VirtAddr va) {
    if (const mmu::TableCopy* const linear = linear_of(va)) return linear->table();
    return table_of(va);
  }
  // A leaf as a handler finds it: what it inserts, and where it was.
  struct Found {
    bool present = false;  // P of the word
    uint64_t translation = 0;
    PageShift size;
    pt::WalkStep word{};   // of the page table: the last one read
    pt::WalkStep above{};  // ... and the one before
  };

  [[nodiscard]] bool outside(VirtAddr va) const;
  // Whether Linux's page tables have a place for it; its handlers look at the unused bits first.
  bool mappable(VirtAddr va);
  [[nodiscard]] std::string lookup_text(VirtAddr va, const Hit& hit) const override;
  [[nodiscard]] tlb::Level& last_data_level() { return side(mmu::kData).last(); }
  void pin_kernel();
  void purge_entries(VirtAddr va, Rid rid);  // on both sides, as ptc.l

  // --- Misses (miss.cc). A null hit: the kernel must see to it.
  Hit refill(const SideLevels& side, VirtAddr va, Rid rid);
  Hit walk_long(const SideLevels& side, VirtAddr va, Rid rid);
  Hit handle_long(const SideLevels& side, VirtAddr va, Rid rid);
  Hit walk_short(const SideLevels& side, VirtAddr va, Rid rid);
  Hit handle_short(const SideLevels& side, VirtAddr va, Rid rid, VirtAddr iha);
  bool fill_linear(VirtAddr va);
  Hit page_not_present(const SideLevels& side, VirtAddr va, Rid rid);
  Hit set_bits(const SideLevels& side, VirtAddr va, Rid rid, bool dirty);
  Hit alternate(const SideLevels& side, VirtAddr va, Rid rid);
  Hit alternate_as_linux(const SideLevels& side, VirtAddr va, Rid rid);
  // Where a handler has read a leaf's word, and how.
  struct ReadWord {
    Found found;  // by a search; else `address` was known
    PhysAddr address{0};
    std::optional<VirtAddr> through = std::nullopt;  // of a virtual load
  };
  ReadWord read_linear(VirtAddr va, Rid rid);
  void read_again(const ReadWord& word, const pt::PageTable& table, VirtAddr va);
  void read_leaf(PhysAddr word, std::optional<VirtAddr> through);
  [[nodiscard]] uint64_t word_offset(const tlb::Payload& entry, VirtAddr at) const;
  // A page table looked up, touching nothing; and searched by the handler of `step`.
  [[nodiscard]] Found look(const pt::PageTable& table, VirtAddr va) const;
  Found search(const pt::PageTable& table, VirtAddr va, unsigned step);
  [[nodiscard]] Found found_of(const pt::Lookup& lookup, VirtAddr va) const;
  [[nodiscard]] static Found found_at(Found found, const pt::WalkPath& path);
  [[nodiscard]] uint64_t base_page_of(const Found& found, VirtAddr va) const;
  // The long format's entries of a superpage: visit(page, where its word is) for each base page of
  // the part that is inserted.
  template <class Visit>
  void each_part(const Found& found, VirtAddr va, Visit visit) const;
  void insert_other_parts(VirtAddr va, Rid rid, const Found& found, unsigned step);
  void fill_by_kernel(VirtAddr va);
  // The short format: what the linear table says of the page, and what its handlers insert of it.
  [[nodiscard]] uint64_t linear_word(const Found& found, VirtAddr va) const;
  Hit insert_linear(const SideLevels& side, VirtAddr va, Rid rid, const Found& found);
  void read_again(const Found& found, const pt::PageTable& table, VirtAddr va, unsigned words);
  Hit insert(const SideLevels& side, VirtAddr va, Rid rid, uint64_t translation, PageShift size);
  void touch_identity(PhysAddr address);
  void note_kernel_work(VirtAddr va);

  const Options* options_;
  mem::FrameMemory* frames_;
  bool direct_;
  Hash hash_;
  EntryFormat format_;
  std::optional<LongVhpt> vhpt_;

  std::array<RegionRegister, kRegions> registers_;
  pt::PageTable* table_ = nullptr;  // null: no address space
  mmu::TableCopy* linear_ = nullptr;
  VirtRange gate_{};
  pt::PageTable* gate_table_ = nullptr;
  mmu::TableCopy* gate_linear_ = nullptr;

  std::vector<Context> tag_owners_;  // the context that last had each key tag
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_MMU_H_
