// One level of a CPU's TLBs (first-level instruction, first-level data, second level): the arrays
// that are probed together, and x86's rules about what an entry matches.
//
// **Tags.** One 64-bit word: virtual page number (address bits 56:12 with those inside the page
// cleared), PCID, page size, and a global bit. A global entry's PCID field is 0 and matches under
// every PCID (Intel SDM vol. 3A, 4.10.2.4); it is probed for only while an array has any. Only
// canonical addresses may be asked for, since bits 63:57 are not in the tag.
//
// **Fragments.** A leaf goes into the array holding the largest page size that is not larger than
// the leaf; where that is smaller than the leaf, the entry is a fragment: the part of the leaf
// around the address asked for. An entry remembers its leaf's size, so that invalidating an address
// removes every fragment of the leaf there (4.10.4.1), and so that a level that refills from
// another one can hold the leaf whole. (AMD calls this smashing.)
//
// **Hit filter.** A first level has one; every entry removed or changed is dropped from it here.
//
// Probe order where entries of different sizes could match: arrays in the order given, small sizes
// before large ones, PCID before global. Correct software never lets two match. Not thread-safe.
#ifndef MMUSIM_ARCH_X86_TLB_LEVEL_H_
#define MMUSIM_ARCH_X86_TLB_LEVEL_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "arch/x86/entry_bits.h"
#include "base/types.h"
#include "tlb/array.h"
#include "tlb/hit_filter.h"

namespace mmusim::x86 {

using Pcid = uint16_t;  // 12 bits

// What a walk found: a leaf as TLBs hold it.
struct Leaf {
  Pfn pfn;         // first frame of the leaf
  PageShift size;  // of the leaf
  Rights rights;   // combined along the walk
  bool dirty = false;
  bool global = false;
};

// What an entry gives.
struct TlbPayload {
  Pfn pfn;         // first frame of the entry
  PageShift size;  // of the entry
  PageShift leaf;  // of the leaf it is made from
  Rights rights;
  bool dirty = false;
  bool global = false;
};

struct TlbEntryView {  // for checks
  VirtAddr base;
  Pcid pcid = 0;
  TlbPayload payload;
};

class TlbLevel {
 public:
  // REQUIRES: not empty, and one of them holds 4K.
  TlbLevel(const std::vector<tlb::Geometry>& arrays, bool with_filter);

  struct Hit {
    uint32_t bank = 0;
    uint32_t index = 0;
    TlbPayload* payload = nullptr;  // null: no hit
    explicit operator bool() const { return payload != nullptr; }
  };

  // Changes nothing.
  [[nodiscard]] Hit find(VirtAddr va, Pcid pcid);
  // The hit is a use.
  void touch(const Hit& hit) { banks_[hit.bank].array.touch(hit.index, tick()); }
  // Makes an entry for the leaf's part at `va`; a use.
  Hit fill(VirtAddr va, Pcid pcid, const Leaf& leaf);
  // Lets the filter answer for `key` from now on.
  void filter_install(const Hit& hit, uint64_t key, bool readable, bool writable) {
    filter_->install(key, entry_number(hit), banks_[hit.bank].array.stamp(hit.index), readable,
                     writable);
  }
  [[nodiscard]] tlb::HitFilter& filter() { return *filter_; }

  // Removes what translates `va` for this PCID, and global entries that do, with all fragments of
  // their leaves.
  void invalidate_page(VirtAddr va, Pcid pcid);
  void invalidate_pcid(Pcid pcid);  // all but global ones
  void invalidate_non_global();
  void invalidate_all();

  void for_each(const std::function<void(const TlbEntryView&)>& visit) const;

  [[nodiscard]] uint64_t fills() const { return fills_; }
  [[nodiscard]] uint64_t evictions() const { return evictions_; }
  [[nodiscard]] uint64_t invalidated() const { return invalidated_; }

 private:
  using Tag = uint64_t;
  static constexpr unsigned kSizes = 3;  // 4K, 2M, 1G

  struct Bank {
    explicit Bank(const tlb::Geometry& geometry) : array(geometry) {}
    tlb::TlbArray<Tag, TlbPayload> array;
    uint32_t first_entry = 0;  // entries of the level are numbered through its banks
    std::array<bool, kSizes> holds{};
    std::array<uint32_t, kSizes> valid{};  // entries of each size
    uint32_t globals = 0;
    uint32_t fragments = 0;
  };

  [[nodiscard]] uint64_t tick() { return filter_ ? filter_->tick() : ++clock_; }
  [[nodiscard]] uint32_t entry_number(const Hit& hit) const {
    return banks_[hit.bank].first_entry + hit.index;
  }
  struct Place {
    uint32_t bank = 0;
    unsigned level = 0;
  };

  void remove(Bank& bank, uint32_t index);
  template <class Predicate>
  void remove_if(Predicate predicate);

  std::vector<Bank> banks_;
  std::array<Place, kSizes> places_;  // where a leaf of each size goes
  std::unique_ptr<tlb::HitFilter> filter_;
  uint64_t clock_ = 0;  // used where there is no filter
  uint64_t fills_ = 0;
  uint64_t evictions_ = 0;
  uint64_t invalidated_ = 0;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_TLB_LEVEL_H_
