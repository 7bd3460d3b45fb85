#include "tests/differential/naive_sparc64.h"

namespace mmusim::naive {

namespace {

constexpr unsigned kSmall = 13;
constexpr unsigned kLarge = 22;

}  // namespace

SoftMmu::SoftMmu(const SoftShape& shape) : shape_(shape) {
  for (const ArrayShape& array : shape.itlb)
    itlb_.emplace_back(array);
  for (const ArrayShape& array : shape.dtlb)
    dtlb_.emplace_back(array);
  itlb_.back().close(shape.image_entries);
  lock(shape.image_entries);
}

void SoftMmu::lock(unsigned entries) {
  if (entries <= locked_) return;
  dtlb_.back().close(entries - locked_);
  locked_ = entries;
}

void SoftMmu::load(Table* table, unsigned context) {
  table_ = table;
  context_ = context;
  Space& space = spaces_[context];
  if (shape_.tsbs > 0 && space.base.slots.empty()) space.base.slots.resize(shape_.slots);
  space.huge.shift = kLarge;
  if (!shape_.mapped) return;
  if (shape_.tsbs > 0) lock(shape_.image_entries + 1);
  if (!space.huge.slots.empty()) lock(shape_.image_entries + 2);
}

// What a handler may load: the page of 8K, or the half of a huge one.
bool SoftMmu::look_up(uint64_t va, Entry& entry) const {
  for (const unsigned size : {kSmall, kLarge}) {
    const auto found = table_->find(floor_to(va, size));
    if (found == table_->end() || found->second.size != size || !found->second.accessed) continue;
    const Page& page = found->second;
    entry = {};
    entry.valid = true;
    entry.base = floor_to(va, size);
    entry.size = entry.leaf = size;
    entry.pcid = context_;
    entry.pfn = page.pfn;
    entry.write = page.write && page.dirty;
    entry.execute = page.execute;
    return true;
  }
  return false;
}

void SoftMmu::put(Tsb& tsb, uint64_t va, const Entry& entry) {
  slot_of(tsb, va) = {.valid = true, .tag = va >> 22, .entry = entry};
}

// False: the page table does not have it.
bool SoftMmu::refill(uint64_t va, Entry& entry, SoftOutcome& outcome) {
  Space& space = spaces_[context_];
  if (!space.base.slots.empty()) {
    ++outcome.probes;
    const Slot& slot = slot_of(space.base, va);
    if (slot.valid && slot.tag == va >> 22) {
      ++outcome.hits;
      entry = slot.entry;
      return true;
    }
  }
  if (!space.huge.slots.empty()) {
    ++outcome.huge_probes;
    const Slot& slot = slot_of(space.huge, va);
    if (slot.valid && slot.tag == va >> 22) {
      ++outcome.huge_hits;
      entry = slot.entry;
      return true;
    }
  }
  ++outcome.walks;
  if (!look_up(va, entry)) return false;
  if (shape_.tsbs == 0) return true;
  const bool huge = shape_.tsbs == 2 && entry.size == kLarge;
  if (huge && space.huge.slots.empty()) {
    space.huge.slots.resize(shape_.slots);
    load(table_, context_);
    return refill(va, entry, outcome);
  }
  put(huge ? space.huge : space.base, va, entry);
  return true;
}

// Where the whole entry can stand, in the first that can hold it.
void SoftMmu::fill(Side& side, const std::vector<ArrayShape>& shapes, const Entry& entry) {
  for (size_t i = 0; i < side.size(); ++i)
    for (const unsigned size : shapes[i].sizes)
      if (size == entry.size) {
        side[i].fill(entry);
        return;
      }
}

SoftOutcome SoftMmu::access(uint64_t va, char kind, bool retry) {
  SoftOutcome outcome;
  Space& space = spaces_[context_];
  Entry entry;
  if (retry && shape_.tsbs > 0 && look_up(va, entry)) {
    const bool huge = shape_.tsbs == 2 && entry.size == kLarge;
    if (!huge || !space.huge.slots.empty()) {
      ++outcome.updates;
      put(huge ? space.huge : space.base, va, entry);
    }
  }
  Side& side = kind == 'f' ? itlb_ : dtlb_;
  const Entry* hit = nullptr;
  for (Array& array : side)
    if (hit == nullptr && array.peek(va, context_) != nullptr) hit = array.find(va, context_);
  if (hit != nullptr) {
    entry = *hit;
  } else {
    ++outcome.misses;
    if (!refill(va, entry, outcome)) {
      outcome.fault = 'n';
      return outcome;
    }
    if (kind == 'f' && !entry.execute) {
      outcome.fault = 'p';
      return outcome;
    }
    fill(side, kind == 'f' ? shape_.itlb : shape_.dtlb, entry);
  }
  if (kind == 's' && !entry.write) outcome.fault = 'p';
  return outcome;
}

void SoftMmu::flush(uint64_t va, unsigned context) {
  for (Side* side : {&itlb_, &dtlb_})
    for (Array& array : *side)
      if (Entry* entry = array.peek(va, context)) entry->valid = false;
  Space& space = spaces_[context];
  for (Tsb* tsb : {&space.base, &space.huge})
    for (Slot& slot : tsb->slots)
      if (slot.valid && slot.entry.base == floor_to(va, slot.entry.size)) slot.valid = false;
}

}  // namespace mmusim::naive
