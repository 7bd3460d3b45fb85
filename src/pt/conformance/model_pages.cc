// Operations on one leaf or block: making, clearing, splitting, promoting.
#include <algorithm>

#include "pt/conformance/model.h"
#include "pt/conformance/verdict.h"

namespace mmusim::pt::conformance {

void Model::map(const Operation& operation) {
  const PageShift size = size_of(operation);
  const uint64_t va = address_of(operation.at);
  const uint64_t base = va & ~size.offset_mask();
  if (size.bytes() > machine_.room(base)) return;
  Random random(operation.salt);
  const auto there = oracle_.within(base, base + size.bytes());
  // In an area of a few pages around it, or of none.
  const unsigned area_log2 = sizes_[0].log2() + static_cast<unsigned>(operation.salt >> 16) % 8;
  const VirtAddr area = align_down(VirtAddr(va), PageShift(area_log2));
  const Slot slot =
      operation.salt >> 31 != 0
          ? table_->ensure(VirtAddr(va), size)
          : table_->ensure_in(
                {area, area + std::min(machine_.room(area.value()), PageShift(area_log2).bytes())},
                VirtAddr(va), size);
  const std::string what = fmt::format("the status of ensure({:#x}, 2^{})", va, size.log2());
  if (slot.status == Status::NoMemory) {
    expect_out_of_memory(slot.status, promise::kEnsure, what);
    return check_address(va);
  }
  if (!there.empty() && there[0].log2 > size.log2()) {
    expect_same(slot.status, Status::Overlap, promise::kEnsure, what);
    expect_same(slot.entry, there[0].entry, promise::kEnsure, "the larger leaf's entry");
    expect_same(slot.handle.base.value(), there[0].base, promise::kEnsure,
                "the larger leaf's base");
    return check_address(va);
  }
  if (!there.empty() && there[0].log2 < size.log2()) {
    expect_same(slot.status, Status::Occupied, promise::kEnsure, what);
    return check_address(va);
  }
  // Empty tables may stand in the way of a larger leaf, never in that of a base page.
  if (slot.status == Status::Occupied && size > sizes_[0]) return check_address(va);
  expect_same(slot.status, Status::Ok, promise::kEnsure, what);
  const Entry old = there.empty() ? kNone : there[0].entry;
  expect_same(slot.entry, old, promise::kEnsure,
              [&] { return at_text("the entry in the slot", va); });
  expect_same(slot.handle.base.value(), base, promise::kEnsure, "the handle's base");
  expect_same(slot.handle.size, size, promise::kEnsure, "the handle's size");
  const Entry next = entry_for(size, random);
  expect_same(table_->install(slot.handle, old ^ 0x10000, next), Status::Changed, promise::kInstall,
              "the status of install() with another expected entry");
  check_address(va);
  if (size > sizes_[0]) {
    const Entry crooked = next + (Entry{1} << machine_.format.pfn_shift);
    expect_same(table_->install(slot.handle, old, crooked), Status::BadAlign, promise::kInstall,
                "the status of install() of a frame that is not aligned");
  }
  expect_same(table_->install(slot.handle, old, next), Status::Ok, promise::kInstall,
              "the status of install()");
  oracle_.set({base, size.log2(), next});
  check_address(va);
  check_address(base + size.bytes() - machine_.page.bytes());
}

void Model::clear(const Operation& operation) {
  const uint64_t va = address_of(operation.at);
  const Lookup found = table_->find(VirtAddr(va));
  if (!found.has_slot) return;
  Entry old = ~Entry{0};
  expect_same(table_->clear(found.handle, old), Status::Ok, promise::kClear,
              "the status of clear()");
  expect_same(old, found.entry, promise::kClear, "the old entry");
  if (found.entry != kNone) oracle_.erase(found.base.value());
  check_address(va);
}

void Model::split(const Operation& operation) {
  if (sizes_.size() < 2) return;
  const uint64_t va = address_of(operation.at);
  const Lookup found = table_->find(VirtAddr(va));
  if (found.entry == kNone) return;
  const PageShift to = size_of(operation);
  if (to < found.size && found.size.log2() - to.log2() > 12) return;  // needlessly many
  const Status status = table_->split(found.handle, to);
  if (to >= found.size) {
    expect_same(status, Status::BadSize, promise::kSplit, "the status of split()");
  } else if (status == Status::NoMemory) {
    expect_out_of_memory(status, promise::kSplit, "the status of split()");
  } else {
    expect_same(status, Status::Ok, promise::kSplit, "the status of split()");
    adopt(found.base.value(), found.base.value() + found.size.bytes(), promise::kSplit);
    expect_stale(found.handle, "of a leaf that was split");
    const auto leaf = oracle_.at(va);
    expect(
        leaf.has_value() && leaf->log2 == to.log2(), promise::kSplit,
        [&] { return fmt::format("a leaf of 2^{} bytes at {:#x}", to.log2(), va); },
        [&] { return leaf ? fmt::format("one of 2^{}", leaf->log2) : std::string("none"); });
  }
  check_address(va);
  check_address(found.base.value());
}

void Model::promote(const Operation& operation) {
  const PageShift to = size_of(operation);
  const uint64_t base = address_of(operation.at) & ~to.offset_mask();
  if (to == machine_.page || to.log2() > machine_.page.log2() + 12 ||
      to.bytes() > machine_.room(base))
    return;
  // Seldom is a block uniform by chance: make it so, three times in four.
  Random random(operation.salt);
  const uint64_t pages = to.bytes() >> machine_.page.log2();
  if (random.below(4) != 0) {
    machine_.allocator.fail_after(0);  // not in the preparations
    wipe({VirtAddr(base), VirtAddr(base + to.bytes())});
    LeafFields fields;
    fields.pfn = Pfn((1 + random.below(100)) * pages);
    fields.rights = Rights(Rights::kRead | Rights::kUser);
    fields.size = machine_.page;
    for (uint64_t i = 0; i < pages; ++i) {
      const VirtAddr va(base + (i << machine_.page.log2()));
      const Slot slot = table_->ensure(va, machine_.page);
      expect_same(slot.status, Status::Ok, promise::kEnsure, "the status of ensure()");
      fields.accessed = random.below(2) != 0;
      const Entry e = machine_.format.make_leaf(fields);
      expect_same(table_->install(slot.handle, slot.entry, e), Status::Ok, promise::kInstall,
                  "the status of install()");
      oracle_.set({va.value(), machine_.page.log2(), e});
      fields.pfn += 1;
    }
    machine_.allocator.fail_after(operation.fails);
  }
  const auto parts = oracle_.within(base, base + to.bytes());
  std::vector<Entry> before;
  for (uint64_t i = 0; i < pages; ++i) {
    const uint64_t va = base + (i << machine_.page.log2());
    before.push_back(page_entry(oracle_.at(va), va));
  }
  Gather gather;
  const Lookup part = table_->find(VirtAddr(base));
  const Status status = table_->promote(VirtAddr(base), to, gather);
  if (status == Status::NoMemory) expect_out_of_memory(status, promise::kPromote, "the status");
  if (status == Status::Ok) {
    const OracleLeaf leaf{base, to.log2(), table_->peek(VirtAddr(base)).entry};
    Entry gathered = kNone;
    for (uint64_t i = 0; i < pages; ++i) {
      const uint64_t va = base + (i << machine_.page.log2());
      const Entry hardware = machine_.format.accessed_mask | machine_.format.dirty_mask;
      gathered |= before[i] & hardware;
      expect_same(page_entry(leaf, va) & ~hardware, before[i] & ~hardware, promise::kPromote,
                  [&] { return at_text("the translation of the page", va); });
    }
    expect_same(leaf.entry & (machine_.format.accessed_mask | machine_.format.dirty_mask), gathered,
                promise::kPromote, "accessed and dirty, of the parts together");
    for (const OracleLeaf& old : parts)
      oracle_.erase(old.base);
    oracle_.set(leaf);
    if (part.size < to) expect_stale(part.handle, "of a leaf that was promoted");
    check_flushed(gather, {VirtAddr(base), VirtAddr(base + to.bytes())});
  }
  gather.release_tables();
  check_leaves(*table_, oracle_, {VirtAddr(base), VirtAddr(base + to.bytes())});
}

}  // namespace mmusim::pt::conformance
