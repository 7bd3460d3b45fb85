// One level of a CPU's TLBs: the arrays that are probed together, with tags, large pages, locked
// entries and the hit filter. What any architecture's levels are made of.
//
// **Tags.** Page number, size of the entry, and the address space it belongs to (PCID, RID,
// context, ASN, VSID: up to 56 bits). A global entry matches under every address space; it is
// probed for only while an array has any. The whole of a 64-bit address counts: who has holes in
// its addresses keeps them out.
//
// **Fragments.** A leaf goes into the array holding the largest page size that is not larger than
// the leaf; where that is smaller than the leaf, the entry is a fragment: the part of the leaf
// around the address asked for. An entry remembers its leaf's size, so that invalidating an address
// removes every fragment of the leaf there, and so that a level that refills from another one can
// hold the leaf whole. A level none of whose arrays holds a size as small as the leaf's cannot take
// it: holds() says so.
//
// **Locked entries** (IA-64's translation registers, SPARC's locked TTEs) stand in a bank of their
// own, which replacement never touches and the invalidations below leave alone; unlock() removes
// them. Where hardware takes them out of the ordinary array, take_out() makes it that much smaller.
//
// **Hit filter.** A first level has one; every entry removed or changed is dropped from it here.
//
// Probe order where entries of different sizes could match: locked ones, then arrays in the order
// given, small sizes before large ones, own before global. Correct software never lets two match.
// Not thread-safe.
#ifndef MMUSIM_TLB_LEVEL_H_
#define MMUSIM_TLB_LEVEL_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bits.h"
#include "base/types.h"
#include "tlb/array.h"
#include "tlb/hit_filter.h"

namespace mmusim::tlb {

// What tags know an address space by. 56 bits, all ones excepted.
using Space = uint64_t;

// A translation as TLBs hold it.
struct Leaf {
  Pfn pfn;         // first frame of the leaf
  PageShift size;  // of the leaf
  Rights rights;
  bool dirty = false;   // a store may go on without anybody noting it
  bool global = false;  // of every address space
  uint8_t extra = 0;    // the architecture's own
};

// What an entry gives.
struct Payload {
  Pfn pfn;         // first frame of the entry
  PageShift leaf;  // of the leaf it is made from
  Rights rights;
  bool dirty = false;
  bool global = false;
  uint8_t extra = 0;
  PageShift size;  // of the entry

  // What the leaf says of itself but for frames: read first and then written, in the same order, so
  // that the compiler copies words where it is in memory.
  void say(const Leaf& of) {
    const Leaf said = of;
    leaf = said.size;
    rights = said.rights;
    dirty = said.dirty;
    global = said.global;
    extra = said.extra;
  }
};

struct EntryView {  // for checks
  VirtAddr base;
  Space space = 0;  // of a global entry: meaningless
  bool locked = false;
  Payload payload;
};

class Level {
  struct Bank;

 public:
  // `page`: the machine's base page, in which Pfns count. `locked`: slots for locked entries.
  // REQUIRES: `arrays` are not empty.
  Level(const std::vector<Geometry>& arrays, PageShift page, bool with_filter, unsigned locked = 0);

  struct Hit {
    Bank* bank = nullptr;
    Payload* payload = nullptr;  // null: no hit
    explicit operator bool() const { return payload != nullptr; }
  };

  // Changes nothing. Inline is what most misses take; it calls no other function.
  [[nodiscard, gnu::always_inline]] Hit find(VirtAddr va, Space space) {
    if (!alone_.has(va.value())) [[unlikely]]
      return find_any(va, space);
    const Size& size = *alone_.size;
    const auto& array = size.bank->array;
    sought_.size = alone_.takes;
    size.seek(va, space, sought_);
    const uint32_t from = array.first_like(sought_.probe);
    if (from != array.kNone || size.globals) [[unlikely]]
      return find_in(size, va, sought_, from);
    array.expect_fill(sought_.probe.set);
    return {};
  }
  // The time of the latest use.
  [[nodiscard]] uint64_t time() const { return filter_ ? filter_->time() : clock_; }
  // The hit is a use.
  void touch(const Hit& hit) { hit.bank->array.touch(index_of(hit), tick()); }
  // Whether the entry that was found is still there, and is for `va`; whatever has happened since.
  [[nodiscard]] bool still_has(const Hit& hit, VirtAddr va, Space space) const {
    const Tag& tag = hit.bank->array.tag(index_of(hit));
    const PageShift size = hit.payload->size;
    const Space owner = hit.payload->global ? kEverySpace : space;
    return tag == Tag{align_down(va, size).value(), owner | uint64_t{size.log2()} << kSpaceBits};
  }
  // Whether some array can hold a leaf of this size, whole or in fragments.
  [[nodiscard]] bool holds(PageShift leaf) const { return places_[leaf.log2()] != kNowhere; }
  // Makes an entry for the leaf's part at `va`; a use. REQUIRES: holds(leaf.size).
  Hit fill(VirtAddr va, Space space, const Leaf& leaf);
  // The same where the level was last asked for that page, and had nothing: which has shown where
  // most entries go. kUses: Stamped with a filter, Told without. REQUIRES: as fill();
  // find(va, space) was the last look-up, and found nothing.
  template <Uses kUses>
  Hit fill_missed(VirtAddr va, Space space, const Leaf& leaf);
  // Changed in place (dirty set, rights raised): what the filter knew is dropped.
  void changed(const Hit& hit) {
    if (filter_) filter_->drop(entry_number(hit));
  }
  // Lets the filter answer for `key` from now on. kFirst: the entry has just been made.
  template <bool kFirst = false>
  [[gnu::always_inline]] void filter_install(const Hit& hit, uint64_t key, bool readable,
                                             bool writable) {
    filter_->install<kFirst>(key, entry_number(hit), hit.bank->array.stamp(index_of(hit)), readable,
                             writable);
  }
  [[nodiscard]] HitFilter& filter() { return *filter_; }
  [[nodiscard]] const HitFilter& filter() const { return *filter_; }
  // Whether one more use of an entry, as the filter numbers it, changes nothing.
  [[nodiscard]] bool is_settled(uint32_t entry) const;
  // Whether base pages whose numbers differ modulo `sets` are never in one set.
  [[nodiscard]] bool tells_apart(uint64_t sets) const;
  // The filter forgets everything: for who has more address spaces than keys can tell apart.
  void filter_clear();

  // The leaf, whole, in locked slot `slot`; what was there goes. REQUIRES: slot exists.
  void lock(unsigned slot, VirtAddr va, Space space, const Leaf& leaf);
  void unlock(unsigned slot);
  // Of the array numbered `array` at construction, `ways` ways of each set, the last ones, hold
  // what is locked: they are not for the rest, which what is in them gives way to. REQUIRES: fewer
  // than all.
  void take_out(unsigned array, uint32_t ways);

  // Remove what is not locked.
  // What translates `va` for this address space, and global entries that do, with all fragments of
  // their leaves.
  void invalidate_page(VirtAddr va, Space space);
  // What has a byte in [range), likewise.
  void invalidate_range(VirtRange range, Space space);
  void invalidate_space(Space space);  // all but global ones
  void invalidate_non_global();
  void invalidate_all();
  template <class Predicate>  // (const EntryView&) -> bool
  void invalidate_if(Predicate predicate) {
    remove_if([&](const Tag& tag, const Payload& payload) {
      return predicate(EntryView{base_of(tag), space_of(tag), false, payload});
    });
  }

  void for_each(const std::function<void(const EntryView&)>& visit) const;

  [[nodiscard]] uint64_t fills() const {
    uint64_t sum = 0;
    for_each_size([&](PageShift, uint64_t fills) { sum += fills; });
    return sum;
  }
  // visit(size, fills): for each page size an array holds, how many entries of it were put there.
  template <class Visit>
  void for_each_size(Visit visit) const {
    for (const Size& size : sizes_)
      if (!size.bank->locked) visit(size.size, size.fills);
  }
  [[nodiscard]] uint64_t evictions() const {
    uint64_t sum = taken_out_ + fills();
    for (const Bank& bank : banks_)
      if (!bank.locked) sum -= bank.array.fills_of_empty();
    return sum;
  }
  [[nodiscard]] uint64_t invalidated() const { return invalidated_; }

 private:
  // The address down to the entry's size, and 55:0 space, 63:56 log2 of the size (never 0, so that
  // no tag equals an empty way's).
  struct Tag {
    uint64_t base = 0;
    uint64_t rest = 0;
    bool operator==(const Tag& o) const { return ((base ^ o.base) | (rest ^ o.rest)) == 0; }
  };
  static constexpr unsigned kSpaceBits = 56;
  static constexpr Space kEverySpace = (Space{1} << kSpaceBits) - 1;
  static VirtAddr base_of(const Tag& tag) { return VirtAddr(tag.base); }
  static Space space_of(const Tag& tag) { return tag.rest & kEverySpace; }

  // Where there may be something: nothing lies outside [low, low + span]. At first, where there is
  // nothing, it is the last byte of all addresses. It only grows, until an array is empty.
  struct Extent {
    uint64_t low = ~uint64_t{0};
    uint64_t span = 0;

    [[nodiscard]] bool has(uint64_t va) const { return va - low <= span; }
    void add(uint64_t first, uint64_t last) {
      if (!has(first) || !has(last)) [[unlikely]]
        widen(first, last);
    }
    void widen(uint64_t first, uint64_t last);
  };

  struct Bank {
    Bank(const Geometry& geometry, Uses uses) : array(geometry, uses), index(geometry.index) {}
    TlbArray<Tag, Payload> array;
    uint32_t first_entry = 0;  // entries of the level are numbered through its banks
    Index index;
    bool locked = false;
    Extent fragments;  // of leaves that are not whole
  };
  struct Size;
  // What a look-up goes by, of one size. It hangs on the address alone, so that the fill that
  // follows need not work it out again.
  struct Sought {
    Size* size = nullptr;  // that takes leaves whole; null: they may go elsewhere
    Tag tag;
    TlbArray<Tag, Payload>::Probe probe;
  };
  // A page size an array holds. Of where entries of it are it may say too much, never too little,
  // so that most addresses need no look at the array: entries of an unusual size tend to lie
  // together (a kernel's large pages, a program's huge ones).
  struct Size {
    static constexpr uint8_t kNoFold = 63;  // leaves nothing of a page's number
    Size(PageShift page_size, Bank& of, uint32_t number)
        : extent(),
          bank(&of),
          bank_number(number),
          sets(of.array.sets() - 1),
          log2(static_cast<uint8_t>(page_size.log2())),
          fold(of.index == Index::Xor ? static_cast<uint8_t>(log2_floor(of.array.sets()))
                                      : kNoFold),
          size(page_size),
          page(~page_size.offset_mask()),
          in_tag(uint64_t{page_size.log2()} << kSpaceBits) {}

    Extent extent;
    Bank* bank;
    uint32_t bank_number;
    uint32_t sets;  // of the array, less 1
    uint8_t log2;
    uint8_t fold;  // the page number is XORed with itself shifted by so many bits
    PageShift size;
    bool globals = false;  // there may be global entries
    uint64_t page;         // masks the address of the page
    uint64_t in_tag;       // the size, as tags have it
    uint64_t fills = 0;

    [[nodiscard]] Tag tag(VirtAddr va, Space space) const {
      return {va.value() & page, space | in_tag};
    }
    [[nodiscard]] uint32_t set_of(VirtAddr va) const {
      const uint64_t number = va.value() >> log2;
      return static_cast<uint32_t>(number ^ number >> fold) & sets;
    }
    // Word by word to where it stays: a copy of what was just written comes late from the host's
    // store buffer.
    [[gnu::always_inline]] void seek(VirtAddr va, Space space, Sought& sought) const {
      sought.tag = tag(va, space);
      bank->array.aim(sought.probe, set_of(va), sought.tag);
    }
    [[nodiscard]] bool may_have(VirtAddr va) const { return extent.has(va.value()); }
    // There is an entry. Whether there may be some now where there were none.
    bool note(uint64_t base, bool global) {
      globals |= global;
      if (extent.has(base)) [[likely]]  // it has a page whole, or not at all
        return false;
      extent.widen(base, base | ~page);
      return true;
    }
  };
  // Addresses at which entries of one size alone may be, of which most look-ups are. It is found by
  // one that goes through all sizes, and gone when another size may have an entry there.
  struct Alone {
    uint64_t low = 0;
    uint64_t bytes = 0;  // none: there are no such addresses
    const Size* size = nullptr;
    Size* takes = nullptr;  // the same, if leaves of that size go there whole

    [[nodiscard]] bool has(uint64_t va) const { return va - low < bytes; }
    [[nodiscard]] bool meets(const Extent& extent) const {
      return has(extent.low) || extent.has(low);
    }
  };
  // Where leaves of a size go: sizes_[place], of an array; kNowhere: nowhere.
  using Place = uint8_t;
  static constexpr Place kNowhere = 0xff;

  [[nodiscard]] uint64_t tick() { return filter_ ? filter_->tick() : ++clock_; }
  // Which entry of its array. A hit does not say so itself: two words are returned in registers.
  [[nodiscard]] static uint32_t index_of(const Hit& hit) {
    return hit.bank->array.index_of(*hit.payload);
  }
  [[nodiscard]] static uint32_t entry_number(const Hit& hit) {
    return hit.bank->first_entry + index_of(hit);
  }
  // The entry of that size, from way `from` on (TlbArray::first_like()); else the one that gives
  // way to it is expected to.
  [[gnu::noinline]] static Hit find_in(const Size& size, VirtAddr va, const Sought& sought,
                                       uint32_t from);
  // find(), through all sizes.
  [[gnu::noinline]] Hit find_any(VirtAddr va, Space space);
  // From now on: addresses around `va` where `size` may have entries, and no other.
  void set_alone(VirtAddr va, Size& size);
  void set_none_alone() {
    alone_ = elsewhere_ = {};
    sought_ = {};  // whose size may move
  }
  // `size` may have entries where it had none.
  void widened(const Size& size) {
    for (Alone* alone : {&alone_, &elsewhere_})
      if (alone->size != &size && alone->meets(size.extent)) *alone = {};
    sought_ = {};
  }
  void place_leaves();
  // fill() of any leaf, into any way.
  [[gnu::noinline]] Hit fill_any(Size& size, VirtAddr va, Space space, const Leaf& leaf);
  // Makes the entry `index`, of `set`, of the array that holds `size`; where there was one it goes.
  Hit put(Size& size, uint32_t set, uint32_t index, VirtAddr va, Space space, const Leaf& leaf);
  // fill() of a leaf of that size, whole and not global, where there may be some. REQUIRES: the
  // array is full.
  template <Uses kUses>
  inline Hit fill_full(Size& size, const Sought& sought, const Leaf& leaf);
  // The entry made is to say this, of the leaf's part `into_leaf` frames into it; what the filter
  // knew of the one before is dropped.
  template <Uses kUses>
  inline Hit end_fill(Size& size, uint32_t index, const Leaf& leaf, uint64_t into_leaf);
  Size& size_in(uint32_t bank, PageShift size);
  // The entry of that size, and a global one.
  void invalidate_in(const Size& size, VirtAddr va, Space space);
  // The bank is empty.
  void note_empty(uint32_t bank);
  void remove(uint32_t bank, uint32_t index);
  template <class Predicate>
  void remove_if(Predicate predicate);

  PageShift page_;
  std::vector<Bank> banks_;         // never more than there was room for at first
  std::vector<Size> sizes_;         // of all banks, in the order they are probed in
  Alone alone_;                     // of sizes_
  Alone elsewhere_;                 // ... those before, as a kernel's among a program's
  Sought sought_;                   // what find() looked for last, of alone_.size
  std::array<Place, 64> places_{};  // by log2 of the leaf's size
  bool fragments_ = false;          // some bank has had some
  std::unique_ptr<HitFilter> filter_;
  uint64_t clock_ = 0;  // used where there is no filter
  uint64_t taken_out_ = 0;
  uint64_t invalidated_ = 0;
};

template <Uses kUses>
[[gnu::always_inline]] inline Level::Hit Level::end_fill(Size& size, uint32_t index,
                                                         const Leaf& leaf, uint64_t into_leaf) {
  ++size.fills;
  Bank& bank = *size.bank;
  if (kUses == Uses::Stamped) filter_->drop(bank.first_entry + index);
  Payload& payload = bank.array.payload(index);
  payload.pfn = leaf.pfn + into_leaf;
  payload.say(leaf);
  payload.size = size.size;
  return {&bank, &payload};
}

template <Uses kUses>
[[gnu::always_inline]] inline Level::Hit Level::fill_full(Size& size, const Sought& sought,
                                                          const Leaf& leaf) {
  const uint64_t now = kUses == Uses::Stamped ? filter_->tick() : ++clock_;
  const uint32_t index = size.bank->array.replace<kUses>(sought.probe, sought.tag, now);
  return end_fill<kUses>(size, index, leaf, 0);
}

// Most are of whole leaves, where the array has been filled before; these call no other function.
template <Uses kUses>
[[gnu::always_inline]] inline Level::Hit Level::fill_missed(VirtAddr va, Space space,
                                                            const Leaf& leaf) {
  if (sought_.size != nullptr && sought_.size->size == leaf.size && !leaf.global &&
      sought_.size->bank->array.full()) [[likely]]
    return fill_full<kUses>(*sought_.size, sought_, leaf);
  return fill(va, space, leaf);
}

template <class Predicate>
void Level::remove_if(Predicate predicate) {
  for (uint32_t number = 0; number < banks_.size(); ++number) {
    const Bank& bank = banks_[number];
    if (bank.locked || bank.array.empty()) continue;
    for (uint32_t index = 0; index < bank.array.entries(); ++index)
      if (bank.array.valid(index) && predicate(bank.array.tag(index), bank.array.payload(index))) {
        remove(number, index);
        ++invalidated_;
      }
    if (bank.array.empty()) note_empty(number);
  }
}

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_LEVEL_H_
