// One CPU's long-format VHPT: a hash table of 32-byte entries in simulated memory, which the walker
// reads and handlers fill.
//
// A slot is where thash says; the entry in it is of the address whose ttag it has. Handlers write
// over whatever is there (direct-mapped), or, with chains, move it to the front of the slot's
// collision chain first: further 32-byte entries, linked through their fourth word, from a pool
// that is taken in turn, whatever is in the way going. Without chains the fourth word is the
// physical address of the word in the page table, so that the access- and dirty-bit handlers need
// not search for it. What a handler finds on a chain it inserts and leaves there; or (`exchange`)
// it changes its place with what is in the slot, so that the walker finds it the next time.
//
// An entry maps its own page size (ITIR), but its slot is that of one preferred-size page: a larger
// page has an entry for each part touched. ti (bit 63 of the tag) set: nothing is there.
//
// After SDM vol. 2, 4.1.5 and 5.3; I. Wienand's LVHPT patches (2006); chains after FreeBSD's
// (sys/ia64). What handlers do is reported as theirs, what the kernel does in flushes as the
// kernel's. Besides the words in memory the object remembers, for flushes of everything and for
// checks, which slots are in use and for what address. Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_VHPT_H_
#define MMUSIM_ARCH_IA64_VHPT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "arch/ia64/formats.h"
#include "arch/ia64/hash.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"
#include "stats/count.h"

namespace mmusim::ia64 {

struct VhptCounts {
  stats::Count lookups{"vhpt.lookups", "lookups", "Entries the walker read."};
  stats::Count hits{"vhpt.hits", "lookups", "... whose tag was the page's.", "vhpt.lookups"};
  stats::Count inserts{"vhpt.inserts", "entries",
                       "Entries handlers wrote, and the kernel (ia64.superpage.vhpt=fault)."};
  stats::Count replaced{"vhpt.replaced", "entries", "... over another page's.", "vhpt.inserts"};
  stats::Count slots = stats::Count::state("vhpt.slots", "slots", "Slots of all CPUs' tables.");
  stats::Count reached = stats::Count::state("vhpt.slots.reached", "slots",
                                             "... that were ever written.", "vhpt.slots");
  stats::Count crowded =
      stats::Count::state("vhpt.crowded", "yes or no",
                          "Whether pages drove each other out of few slots while most were never "
                          "used: more than half of 1000 inserts or more replaced another page's "
                          "entry, and less than an eighth of the slots were reached. Another "
                          "ia64.vhpt.hash, or chains, would tell.");
  stats::Count chain_looks{"vhpt.chain_looks", "entries",
                           "Entries of collision chains compared; 0 without chains."};
  stats::Count chain_hits{"vhpt.chain_hits", "lookups", "Searches of a chain that found the page."};
  stats::Count chain_evictions{"vhpt.chain_evictions", "entries",
                               "Entries of chains that made room for another slot's."};
  stats::Count purged{"vhpt.purged", "entries", "Entries removed by flushes.", "vhpt.inserts"};
  stats::Count cleared{"vhpt.cleared", "events", "Times a whole table was cleared."};
  stats::Count bytes = stats::Count::state("vhpt.bytes", "bytes", "Memory of all CPUs' tables.");

  // Of all CPUs' together: the answer to `crowded`.
  [[nodiscard]] bool are_crowded() const {
    constexpr uint64_t kEnough = 1000;
    return inserts >= kEnough && replaced > inserts / 2 && reached < slots / 8;
  }
};

class LongVhpt {
 public:
  // What the walker or a handler found.
  struct Entry {
    uint64_t translation = 0;
    PageShift size;
  };

  // `chain_entries` 0: no chains. Errors: Error when memory is exhausted.
  LongVhpt(const Hash& hash, uint64_t bytes, uint64_t chain_entries, bool exchange,
           mem::FrameMemory& frames, mem::ReferenceSink& sink, mmu::MissPath& path);

  [[nodiscard]] PhysAddr base() const { return base_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // chains included
  [[nodiscard]] bool chains() const { return !pool_.empty(); }
  [[nodiscard]] const VhptCounts& counters() const { return counters_; }

  // It will be read: asks the host for the entry. Nothing simulated changes.
  [[gnu::always_inline]] void expect(VirtAddr va, Rid rid) const {
    __builtin_prefetch(frames_->words(at(slot_of(va, rid))));
  }
  // The walker's read: one reference to the entry's line. False: another tag.
  bool look_up(VirtAddr va, Rid rid, Entry& entry);
  // A handler's search of the chain.
  bool search_chain(VirtAddr va, Rid rid, Entry& entry);
  // A handler's insertion. `pte`: where the page table has the word.
  void insert(VirtAddr va, Rid rid, uint64_t translation, PageShift size, PhysAddr pte);
  // The kernel's, of a page it has just mapped. REQUIRES: no chains.
  void fill(VirtAddr va, Rid rid, uint64_t translation, PageShift size, PhysAddr pte);
  // The access- and dirty-bit handlers: the entry of this page, in its slot or on the slot's chain,
  // with its fourth word; and the store of the changed word.
  struct Place {
    PhysAddr entry;
    uint64_t pointer = 0;
  };
  std::optional<Place> probe(VirtAddr va, Rid rid);
  void update(const Place& place, uint64_t translation);

  // The kernel: nothing translates the page of `va` any more.
  void purge(VirtAddr va, Rid rid);
  void clear();

  // Every entry that could be found, by its tag in memory.
  using Visitor = std::function<void(VirtAddr page, Rid rid, const Entry& entry)>;
  void for_each(const Visitor& visit) const;

 private:
  struct Owner {  // of a slot or a pool entry in use
    VirtAddr page;
    Rid rid = 0;
    bool used = false;
    uint32_t slot = 0;  // of a pool entry: whose chain
  };
  static constexpr uint32_t kNoPosition = ~uint32_t{0};

  [[nodiscard]] uint32_t slot_of(VirtAddr va, Rid rid) const {
    return static_cast<uint32_t>(hash_.offset(va, rid) / kVhptEntryBytes);
  }
  [[nodiscard]] PhysAddr at(uint32_t slot) const {
    return base_ + uint64_t{slot} * kVhptEntryBytes;
  }
  [[nodiscard]] PhysAddr pool_at(uint32_t index) const {
    return pool_base_ + uint64_t{index} * kVhptEntryBytes;
  }
  [[nodiscard]] uint64_t& word(PhysAddr entry, unsigned offset) {
    return *frames_->words(entry + offset);
  }
  [[nodiscard]] uint64_t word(PhysAddr entry, unsigned offset) const {
    return *frames_->words(entry + offset);
  }
  uint64_t load(PhysAddr entry, unsigned offset, const WordKind& what, bool dependent = true);
  void store(PhysAddr entry, unsigned offset, uint64_t value, const WordKind& what);
  void kernel_reference(PhysAddr address, bool write);
  void use(uint32_t slot, VirtAddr page, Rid rid);
  void release(uint32_t slot);
  void displace(uint32_t slot);
  void unlink(uint32_t index);
  PhysAddr find_in_chain(PhysAddr link, uint64_t tag);
  void kernel_store(PhysAddr entry, unsigned offset, uint64_t value);

  Hash hash_;
  uint64_t bytes_;
  bool exchange_;
  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  mmu::MissPath* path_;
  PhysAddr base_;
  PhysAddr pool_base_;
  std::vector<Owner> owners_;        // by slot
  std::vector<uint32_t> used_;       // slots in use, in no order that matters
  std::vector<uint32_t> positions_;  // by slot: where in used_
  std::vector<bool> reached_;        // by slot
  std::vector<Owner> pool_;          // by pool entry
  uint32_t next_in_pool_ = 0;
  VhptCounts counters_;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_VHPT_H_
