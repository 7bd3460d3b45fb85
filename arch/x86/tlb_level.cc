#include "arch/x86/tlb_level.h"

#include "base/error.h"

namespace mmusim::x86 {

namespace {

using PageField = BitField<0, 45>;
using PcidField = BitField<45, 12>;
using SizeField = BitField<57, 2>;  // 1 + level: never 0, so that no tag equals an empty way's
using GlobalField = BitField<59>;

constexpr PageShift size_of_level(unsigned level) {
  return PageShift(shift_of_level(level));
}

constexpr uint64_t make_tag(VirtAddr va, unsigned level, Pcid pcid, bool global) {
  uint64_t tag = PageField::set(0, align_down(va, size_of_level(level)).value() >> 12);
  tag = SizeField::set(tag, level + 1);
  return global ? GlobalField::set(tag, 1) : PcidField::set(tag, pcid);
}

// The canonical address the tag was made from.
constexpr VirtAddr base_of(uint64_t tag) {
  const auto high = static_cast<int64_t>(PageField::get(tag) << (64 - 45));
  return VirtAddr(static_cast<uint64_t>(high >> (64 - 45 - 12)) & ~k4K.offset_mask());
}

}  // namespace

TlbLevel::TlbLevel(const std::vector<tlb::Geometry>& arrays, bool with_filter) {
  uint32_t entries = 0;
  banks_.reserve(arrays.size());
  for (const tlb::Geometry& geometry : arrays) {
    Bank& bank = banks_.emplace_back(geometry);
    bank.first_entry = entries;
    for (unsigned level = 0; level < kSizes; ++level)
      bank.holds[level] = geometry.holds(size_of_level(level));
    entries += geometry.entries;
  }
  for (unsigned leaf = 0; leaf < kSizes; ++leaf) {
    bool found = false;
    for (uint32_t b = 0; b < banks_.size(); ++b)
      for (unsigned level = 0; level <= leaf; ++level)
        if (banks_[b].holds[level] && (!found || level > places_[leaf].level)) {
          places_[leaf] = {b, level};
          found = true;
        }
    MMUSIM_ASSERT(found);
  }
  if (with_filter) filter_ = std::make_unique<tlb::HitFilter>(entries);
}

TlbLevel::Hit TlbLevel::find(VirtAddr va, Pcid pcid) {
  for (uint32_t b = 0; b < banks_.size(); ++b) {
    Bank& bank = banks_[b];
    for (unsigned level = 0; level < kSizes; ++level) {
      if (bank.valid[level] == 0) continue;
      const auto set =
          static_cast<uint32_t>(va.value() >> shift_of_level(level)) & (bank.array.sets() - 1);
      uint32_t index = bank.array.find(set, make_tag(va, level, pcid, false));
      if (index == bank.array.kNone && bank.globals != 0)
        index = bank.array.find(set, make_tag(va, level, 0, true));
      if (index != bank.array.kNone) return {b, index, &bank.array.payload(index)};
    }
  }
  return {};
}

TlbLevel::Hit TlbLevel::fill(VirtAddr va, Pcid pcid, const Leaf& leaf) {
  const auto [chosen, level] = places_[level_of_size(leaf.size)];
  Bank& bank = banks_[chosen];
  const PageShift size = size_of_level(level);
  const auto set =
      static_cast<uint32_t>(va.value() >> shift_of_level(level)) & (bank.array.sets() - 1);
  const uint32_t index = bank.array.victim(set);
  if (bank.array.valid(index)) {
    remove(bank, index);
    ++evictions_;
  }
  const uint64_t into_leaf = (va.value() & leaf.size.offset_mask()) >> size.log2();
  const TlbPayload payload{.pfn = leaf.pfn + (into_leaf << (size.log2() - 12)),
                           .size = size,
                           .leaf = leaf.size,
                           .rights = leaf.rights,
                           .dirty = leaf.dirty,
                           .global = leaf.global};
  bank.array.fill(index, make_tag(va, level, pcid, leaf.global), payload, tick());
  ++bank.valid[level];
  if (leaf.global) ++bank.globals;
  if (size != leaf.size) ++bank.fragments;
  ++fills_;
  return {chosen, index, &bank.array.payload(index)};
}

void TlbLevel::remove(Bank& bank, uint32_t index) {
  const TlbPayload& payload = bank.array.payload(index);
  if (filter_) filter_->drop(bank.first_entry + index);
  --bank.valid[level_of_size(payload.size)];
  if (payload.global) --bank.globals;
  if (payload.size != payload.leaf) --bank.fragments;
  bank.array.invalidate(index);
}

template <class Predicate>
void TlbLevel::remove_if(Predicate predicate) {
  for (Bank& bank : banks_) {
    if (bank.valid[0] + bank.valid[1] + bank.valid[2] == 0) continue;
    for (uint32_t index = 0; index < bank.array.entries(); ++index)
      if (bank.array.valid(index) && predicate(bank.array.tag(index), bank.array.payload(index))) {
        remove(bank, index);
        ++invalidated_;
      }
  }
}

void TlbLevel::invalidate_page(VirtAddr va, Pcid pcid) {
  bool fragments = false;
  for (const Bank& bank : banks_)
    fragments |= bank.fragments != 0;
  if (fragments) {
    remove_if([&](Tag tag, const TlbPayload& payload) {
      return (GlobalField::get(tag) != 0 || PcidField::get(tag) == pcid) &&
             align_down(base_of(tag), payload.leaf) == align_down(va, payload.leaf);
    });
    return;
  }
  for (Bank& bank : banks_)
    for (unsigned level = 0; level < kSizes; ++level) {
      if (bank.valid[level] == 0) continue;
      const auto set =
          static_cast<uint32_t>(va.value() >> shift_of_level(level)) & (bank.array.sets() - 1);
      for (const bool global : {false, true}) {
        const uint32_t index = bank.array.find(set, make_tag(va, level, pcid, global));
        if (index == bank.array.kNone) continue;
        remove(bank, index);
        ++invalidated_;
      }
    }
}

void TlbLevel::invalidate_pcid(Pcid pcid) {
  remove_if([pcid](Tag tag, const TlbPayload&) {
    return GlobalField::get(tag) == 0 && PcidField::get(tag) == pcid;
  });
}

void TlbLevel::invalidate_non_global() {
  remove_if([](Tag tag, const TlbPayload&) { return GlobalField::get(tag) == 0; });
}

void TlbLevel::invalidate_all() {
  remove_if([](Tag, const TlbPayload&) { return true; });
}

void TlbLevel::for_each(const std::function<void(const TlbEntryView&)>& visit) const {
  for (const Bank& bank : banks_)
    for (uint32_t index = 0; index < bank.array.entries(); ++index)
      if (bank.array.valid(index)) {
        const Tag tag = bank.array.tag(index);
        visit({.base = base_of(tag),
               .pcid = static_cast<Pcid>(PcidField::get(tag)),
               .payload = bank.array.payload(index)});
      }
}

}  // namespace mmusim::x86
