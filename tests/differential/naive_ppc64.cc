#include "tests/differential/naive_ppc64.h"

#include <algorithm>

namespace mmusim::naive {

HashedMmu::HashedMmu(const HashedShape& shape)
    : shape_(shape),
      ierat_(shape.ierat),
      derat_(shape.derat),
      tlb_(shape.tlb),
      slb_(shape.slb_entries - 3, 0) {}

// Never 0: the lowest bit says that it is one.
uint64_t HashedMmu::segment(uint64_t va) const {
  if (shape_.tera_segments && va >= uint64_t{1} << 40) return va >> 40 << 41 | 3;
  return va >> 28 << 29 | 1;
}

bool HashedMmu::make_segment(uint64_t va) {
  if (std::count(slb_.begin(), slb_.end(), segment(va)) != 0) return false;
  last_ = (last_ + 1) % slb_.size();
  slb_[last_] = segment(va);
  return true;
}

void HashedMmu::load(Table* table, unsigned context) {
  table_ = table;
  context_ = context;
  slb_.assign(slb_.size(), 0);
  for (Array* erat : {&ierat_, &derat_})
    for (auto& set : erat->sets)
      for (Entry& entry : set)
        entry.valid = false;
  make_segment((uint64_t{1} << 46) - 1);
  make_segment(0x1000'0000);
}

Page* HashedMmu::find(Table& table, uint64_t va, uint64_t* base) {
  auto found = table.upper_bound(va);
  if (found == table.begin()) return nullptr;
  --found;
  if (floor_to(va, found->second.size) != found->first) return nullptr;
  if (base != nullptr) *base = found->first;
  return &found->second;
}

unsigned HashedMmu::actual_of(const Page& page) const {
  unsigned actual = shape_.page;
  for (const unsigned size : shape_.actual)
    if (size <= page.size) actual = size;
  return actual;
}

// The part of the entry's page around the address that the array can hold.
void HashedMmu::fill(Array& array, const ArrayShape& shape, const Entry& entry, uint64_t va) {
  Entry part = entry;
  part.size = 0;
  for (const unsigned size : shape.sizes)
    if (size <= entry.leaf) part.size = std::max(part.size, size);
  part.base = floor_to(va, part.size);
  array.fill(part);
}

Entry* HashedMmu::translate(uint64_t va, char kind, bool first, HashedOutcome& outcome) {
  Array& erat = kind == 'f' ? ierat_ : derat_;
  const ArrayShape& shape = kind == 'f' ? shape_.ierat : shape_.derat;
  if (Entry* hit = erat.find(va, context_)) return hit;
  if (first) ++outcome.erat_misses;
  if (make_segment(va)) ++outcome.segment_misses;
  if (const Entry* hit = tlb_.find(va, context_)) {
    const Entry whole = *hit;
    fill(erat, shape, whole, va);
    return erat.peek(va, context_);
  }
  if (first) ++outcome.tlb_misses;
  ++outcome.searches;
  const auto found = hashed_.find({context_, base(va)});
  if (found == hashed_.end()) return nullptr;
  fill(tlb_, shape_.tlb, found->second, va);
  fill(erat, shape, found->second, va);
  return erat.peek(va, context_);
}

// '-': done.
char HashedMmu::hash(uint64_t va, char kind, bool ahead, HashedOutcome& outcome) {
  Page* const found = find(*table_, va);
  if (found == nullptr) return 'n';
  Page& page = *found;
  if (!ahead && ((kind == 's' && !page.write) || (kind == 'f' && !page.execute))) return 'p';
  page.accessed = true;
  if (!ahead && kind == 's') page.dirty = true;
  Entry entry;
  entry.valid = true;
  entry.leaf = actual_of(page);
  entry.pcid = context_;
  entry.write = page.write && page.dirty;  // the first store to a clean page is a hash fault
  entry.execute = page.execute;
  const bool there = hashed_.count({context_, base(va)}) != 0;
  if (there) invalidate(va, context_);
  ++(there ? outcome.updates : outcome.inserts);
  // A page never changes its frame without a flush, which takes the entry away.
  hashed_[{context_, base(va)}] = entry;
  return '-';
}

HashedOutcome HashedMmu::access(uint64_t va, char kind, bool retry) {
  HashedOutcome outcome;
  if (retry) {
    const Page* const found = find(*table_, va);
    if (found != nullptr && found->accessed && actual_of(*found) == shape_.page)
      hash(va, kind, true, outcome);
  }
  for (bool first = true;; first = false) {
    const Entry* entry = translate(va, kind, first, outcome);
    if (entry != nullptr && (kind != 's' || entry->write) && (kind != 'f' || entry->execute))
      return outcome;
    ++outcome.hash_faults;
    outcome.fault = hash(va, kind, false, outcome);
    if (outcome.fault != '-') return outcome;
  }
}

// With all that was made of the same page.
void HashedMmu::invalidate(uint64_t va, unsigned context) {
  for (Array* array : {&ierat_, &derat_, &tlb_})
    for (auto& set : array->sets)
      for (Entry& entry : set)
        if (entry.valid && entry.pcid == context &&
            floor_to(entry.base, entry.leaf) == floor_to(va, entry.leaf))
          entry.valid = false;
}

void HashedMmu::flush(uint64_t va, unsigned size, unsigned context) {
  const uint64_t first = floor_to(va, size);
  for (auto at = hashed_.lower_bound({context, first});
       at != hashed_.end() && at->first.first == context &&
       at->first.second < first + (uint64_t{1} << size);
       at = hashed_.erase(at))
    invalidate(at->first.second, context);
}

}  // namespace mmusim::naive
