// What happens when no TLB level has the page, and when an entry found needs a handler.
#include <algorithm>
#include <fmt/format.h>

#include "arch/ia64/mmu.h"
#include "arch/ia64/words.h"
#include "base/error.h"

namespace mmusim::ia64 {

namespace {

PhysAddr word_at(PhysAddr address) {
  return PhysAddr(address.value() & ~uint64_t{7});
}

}  // namespace

Mmu::Hit Mmu::refill(const SideLevels& side, VirtAddr va, Rid rid) {
  switch (options_->walker) {
    case Walker::Long:
      return walk_long(side, va, rid);
    case Walker::Short:
      return walk_short(side, va, rid);
    case Walker::OffAsLinux:
      return alternate_as_linux(side, va, rid);
    case Walker::Off:
      break;
  }
  return alternate(side, va, rid);
}

// --- The walker off

Mmu::Hit Mmu::alternate(const SideLevels& side, VirtAddr va, Rid rid) {
  const unsigned step = side.data ? kDataAlternate : kInstructionAlternate;
  path_.step(step);
  if (!mappable(va)) return {};
  const Found found = search(table_of(va), va, step);
  if (!found.present) return {};
  const Hit hit = insert(side, va, rid, found.translation, found.size);
  read_again(found, table_of(va), va, 1);
  return hit;
}

// Linux's handler is the short format's: it reads the leaf's word where the linear table has it.
// But only the VHPT-translation vector maps a page of that table, and none comes with the walker
// off: so that each time the load misses, and the nested vector finds the word by its physical
// address.
Mmu::Hit Mmu::alternate_as_linux(const SideLevels& side, VirtAddr va, Rid rid) {
  path_.step(side.data ? kDataAlternateLinear : kInstructionAlternateLinear);
  if (!mappable(va)) return {};
  const ReadWord word = read_linear(va, rid);
  if (!word.found.present) return {};
  const Hit hit = insert_linear(side, va, rid, word.found);
  read_again(word, table_of(va), va);
  return hit;
}

// --- Long format

Mmu::Hit Mmu::walk_long(const SideLevels& side, VirtAddr va, Rid rid) {
  path_.step(kWalk);
  ++counters_.walks;
  // The walker translates the table's address in the DTLB; a translation register has it.
  const Hit table = last_data_level().find(hash_.thash(va, rid), registers_[5].rid);
  MMUSIM_ASSERT(table);
  if (path_.narrated())
    path_.remark(fmt::format("thash: {:#x} (region 5, in a translation register), ttag: {:#x}",
                             hash_.thash(va, rid).value(), hash_.tag(va, rid)));
  LongVhpt::Entry entry;
  if (vhpt_->look_up(va, rid, entry) && is_insertable(entry.translation)) {
    ++counters_.walks_hit;
    return insert(side, va, rid, entry.translation, entry.size);
  }
  ++counters_.walks_refused;
  return handle_long(side, va, rid);
}

Mmu::Hit Mmu::handle_long(const SideLevels& side, VirtAddr va, Rid rid) {
  const unsigned step = side.data ? kDataMissLong : kInstructionMissLong;
  path_.step(step);
  if (vhpt_->chains()) {
    path_.step(kChainSearch);
    const uint64_t before = vhpt_->counters().chain_looks;
    LongVhpt::Entry entry;
    const bool found = vhpt_->search_chain(va, rid, entry);
    path_.more_instructions(kChainSearch, (vhpt_->counters().chain_looks - before) *
                                              kStepList[kChainSearch].instructions);
    if (found) return insert(side, va, rid, entry.translation, entry.size);
  }
  if (!mappable(va)) return {};
  const Found found = search(table_of(va), va, vhpt_->chains() ? kChainSearch : step);
  if (!found.present) return {};
  vhpt_->insert(va, rid, found.translation, found.size, found.word.address);
  if (options_->superpage_fill == VhptFill::All) insert_other_parts(va, rid, found, step);
  const Hit hit = insert(side, va, rid, found.translation, found.size);
  read_again(found, table_of(va), va, 1);
  return hit;
}

// A table that has fewer slots than the superpage has parts gets no more of them than miss.
template <class Visit>
void Mmu::each_part(const Found& found, VirtAddr va, Visit visit) const {
  const PageShift page = hash_.preferred(va);
  const uint64_t parts = found.size <= page ? 1 : found.size.bytes() >> page.log2();
  if (parts == 1 || parts > options_->vhpt_bytes / kVhptEntryBytes) return;
  const VirtAddr first = align_down(va, found.size);
  const uint64_t missed = (va - first) >> page.log2();
  for (uint64_t i = 0; i < parts; ++i) {
    // Linux's tables have a word for each.
    const PhysAddr word =
        direct_ ? found.word.address + (i - missed) * sizeof(uint64_t) : found.word.address;
    visit(first + (i << page.log2()), word);
  }
}

void Mmu::insert_other_parts(VirtAddr va, Rid rid, const Found& found, unsigned step) {
  uint64_t inserted = 0;
  each_part(found, va, [&](VirtAddr page, PhysAddr word) {
    if (page == align_down(va, kPage)) return;
    vhpt_->insert(page, rid, found.translation, found.size, word);
    ++inserted;
  });
  path_.more_instructions(step, inserted * kVhptPart);
}

void Mmu::fill_by_kernel(VirtAddr va) {
  const Found found = look(table_of(va), va);
  if (!found.present) return;
  each_part(found, va, [&](VirtAddr page, PhysAddr word) {
    vhpt_->fill(page, rid_of(va), found.translation, found.size, word);
  });
}

// --- Short format

Mmu::Hit Mmu::walk_short(const SideLevels& side, VirtAddr va, Rid rid) {
  path_.step(kWalk);
  ++counters_.walks;
  const VirtAddr iha = hash_.thash(va, rid);
  tlb::Level& data = last_data_level();
  const Hit table = data.find(iha, rid);
  if (path_.narrated())
    path_.remark(fmt::format("thash: {:#x} in the linear table, whose page the DTLB {}",
                             iha.value(), table ? "has" : "does not have"));
  if (!table) {
    ++counters_.table_misses;
    return handle_short(side, va, rid, iha);
  }
  data.touch(table);
  const PhysAddr word = frames_->address_of(table.payload->pfn) + word_offset(*table.payload, iha);
  const uint64_t translation = path_.load(
      word,
      {.origin = mem::Origin::Walker, .dependent = false, .through = iha, .what = &words::kPte});
  if (is_insertable(translation)) {
    ++counters_.walks_hit;
    if (PresentBit::get(translation) == 0) ++counters_.walks_absent;
    return insert(side, va, rid, translation, hash_.preferred(va));  // also when P is 0
  }
  ++counters_.walks_refused;
  const unsigned step = side.data ? kDataMiss : kInstructionMiss;
  path_.step(step);
  path_.load(word, {.through = iha, .what = &words::kPte});
  if (is_refused(translation)) {  // a superpage's: the handler knows its size
    path_.more_instructions(step, kBuildItir);
    pt::Lookup there;
    there.entry = translation;
    there.base = align_down(va, kPage);
    there.size = kPage;
    const Found found = found_of(there, va);
    const Hit hit = insert_linear(side, va, rid, found);
    if (options_->smp) read_leaf(word, iha);
    return hit;
  }
  // itc refuses it just so.
  miss_fault_ = mmu::FaultReason::Malformed;
  return {};
}

Mmu::Hit Mmu::handle_short(const SideLevels& side, VirtAddr va, Rid rid, VirtAddr iha) {
  path_.step(kVhptTranslation);
  if (!mappable(va)) return {};
  const pt::PageTable& source = linear_source(va);
  Found found = search(source, va, kVhptTranslation);
  Hit hit;
  if (!found.present) {
    if (linear_of(va) == nullptr || !fill_linear(va)) return {};
    found = look(source, va);
    path_.resume(kVhptTranslation);
  }
  path_.more_instructions(kVhptTranslation, kVhptPresent);
  // Linux inserts the page first; were both in one array, the second might throw it out again.
  last_data_level().fill(
      iha, rid,
      kernel_leaf(found.word.address, kPage, 0, kEntryPresent | kEntryAccessed | kEntryTable));
  hit = insert_linear(side, va, rid, found);
  read_again(found, source, va, 2);
  return hit;
}

// The kernel's page table has the page and the linear table has not: the word is copied.
bool Mmu::fill_linear(VirtAddr va) {
  path_.step(kLinearFill);
  ++counters_.linear_lookups;
  const Found found = search(table_of(va), va, kLinearFill);
  if (!found.present) return false;
  mmu::TableCopy& linear = *linear_of(va);
  const uint64_t word = linear_word(found, va);
  linear.join(va, table_of(va).peek(va), mem::Origin::Handler);
  const uint64_t before = path_.made(mem::Origin::Handler);
  if (!linear.put_page(va, word, mem::Origin::Handler)) {
    miss_fault_ = mmu::FaultReason::NoMemory;
    return false;
  }
  path_.tell_store(linear.table(), va, mem::Origin::Handler, before);
  ++counters_.linear_fills;
  return true;
}

Mmu::Hit Mmu::page_not_present(const SideLevels& side, VirtAddr va, Rid rid) {
  const bool copied = linear_of(va) != nullptr;
  path_.step(copied ? kPageNotPresentCopy : kPageNotPresent);
  purge_entries(va, rid);
  if (!copied || !fill_linear(va)) return {};
  return insert_linear(side, va, rid, look(linear_source(va), va));
}

// --- Accessed and dirty bits

Mmu::Hit Mmu::set_bits(const SideLevels& side, VirtAddr va, Rid rid, bool dirty) {
  const unsigned step = dirty ? kDirty : side.data ? kDataAccessed : kInstructionAccessed;
  path_.step(step);
  const auto drop_own = [&] {  // as itc does to what it overlaps, on its side
    side.first->invalidate_page(va, rid);
    if (side.second != nullptr) side.second->invalidate_page(va, rid);
  };
  std::optional<LongVhpt::Place> place;  // in the VHPT
  ReadWord word;
  if (options_->walker == Walker::Long) {
    path_.step(kVhptUpdate);
    const uint64_t before = vhpt_->counters().chain_looks;
    place = vhpt_->probe(va, rid);
    path_.more_instructions(kVhptUpdate, (vhpt_->counters().chain_looks - before) *
                                             kStepList[kChainSearch].instructions);
    if (!place) {
      // Its slot is another page's by now: a miss like any other, and the bit is set next time.
      drop_own();
      return handle_long(side, va, rid);
    }
    if (direct_ && !vhpt_->chains()) {
      word.address = PhysAddr(place->pointer);
      read_leaf(word.address, {});
    } else {
      word.found = search(table_of(va), va, kVhptUpdate);  // words of other tables change place
    }
  } else if (options_->linear()) {
    word = read_linear(va, rid);
    // A copy is not where the bit is to be set.
    if (linear_of(va) != nullptr) word = {.found = search(table_of(va), va, step)};
  } else {
    word.found = search(table_of(va), va, step);
  }

  pt::WalkPath words;  // of which the last has been read by now
  const pt::Lookup lookup = table_of(va).walk(va, words);
  if (lookup.entry == pt::kNone || PresentBit::get(lookup.entry) == 0) {
    drop_own();
    return {};
  }
  pt::Lookup changed = lookup;
  changed.entry |= AccessedBit::kMask | (dirty ? DirtyBit::kMask : 0);
  // A cmpxchg. Nothing happens between taking the handle and using it.
  const pt::Status status =
      path_.install(table_of(va), va, lookup, changed.entry, words.steps().back());
  MMUSIM_ASSERT(status == pt::Status::Ok);
  Found found = found_of(changed, va);
  if (place) vhpt_->update(*place, found.translation);
  if (mmu::TableCopy* const linear = linear_of(va)) {
    // Or not: then the next walk finds nothing.
    const uint64_t before = path_.made(mem::Origin::Handler);
    if (linear->put_page(va, linear_word(found, va), mem::Origin::Handler))
      path_.tell_store(linear->table(), va, mem::Origin::Handler, before);
  }
  drop_own();
  const Hit hit = options_->linear() ? insert_linear(side, va, rid, found)
                                     : insert(side, va, rid, found.translation, found.size);
  read_again(word, table_of(va), va);
  return hit;
}

// The handler's own load of the leaf's word through the linear table, which may miss in turn.
Mmu::ReadWord Mmu::read_linear(VirtAddr va, Rid rid) {
  const VirtAddr iha = hash_.thash(va, rid);
  tlb::Level& data = last_data_level();
  const Hit table = data.find(iha, rid);
  if (table) {
    data.touch(table);
    const PhysAddr at = frames_->address_of(table.payload->pfn) + word_offset(*table.payload, iha);
    read_leaf(at, iha);
    return {.found = {}, .address = at, .through = iha};
  }
  path_.step(kNestedMiss);
  return {.found = search(linear_source(va), va, kNestedMiss)};
}

void Mmu::read_leaf(PhysAddr word, std::optional<VirtAddr> through) {
  path_.load(word_at(word), {.through = through, .what = &words::kPte});
}

// --- Pieces

// Where in the frame a TLB entry gives the address is; the entry may be part of a page.
uint64_t Mmu::word_offset(const tlb::Payload& entry, VirtAddr at) const {
  return at.value() & std::max(kPage, entry.size).offset_mask();
}

Mmu::Found Mmu::look(const pt::PageTable& table, VirtAddr va) const {
  pt::WalkPath path;
  return found_at(found_of(table.walk(va, path), va), path);
}

Mmu::Found Mmu::search(const pt::PageTable& table, VirtAddr va, unsigned step) {
  pt::WalkPath path;
  return found_at(found_of(path_.walk(table, va, step, path), va), path);
}

Mmu::Found Mmu::found_at(Found found, const pt::WalkPath& path) {
  const auto steps = path.steps();
  if (!steps.empty()) found.word = steps.back();
  if (steps.size() > 1) found.above = steps[steps.size() - 2];
  return found;
}

// What a handler makes of a leaf, of the page size in its ignored bits; of a page too large to be
// inserted, the part around the address.
Mmu::Found Mmu::found_of(const pt::Lookup& lookup, VirtAddr va) const {
  Found found;
  found.translation = lookup.entry;
  found.present = lookup.entry != pt::kNone && PresentBit::get(lookup.entry) != 0;
  if (!found.present) return found;
  const PageShift leaf(static_cast<unsigned>(PageSizeField::get(lookup.entry)));
  found.size = kPage;
  for (const PageShift size : insertable_sizes())
    if (size <= leaf && size > found.size) found.size = size;
  found.translation = accepted(format_.part_of(lookup, va, found.size));
  found.present = PresentBit::get(found.translation) != 0;
  return found;
}

// The word of the base page at `va` in a leaf of any size.
uint64_t Mmu::base_page_of(const Found& found, VirtAddr va) const {
  const uint64_t into_part = va.value() & found.size.offset_mask() & ~kPage.offset_mask();
  return PageSizeField::set(found.translation, kPage.log2()) + into_part;
}

uint64_t Mmu::linear_word(const Found& found, VirtAddr va) const {
  if (!options_->refuses() || found.size == kPage) return base_page_of(found, va);
  const uint64_t into_part = va.value() & found.size.offset_mask() & ~kPage.offset_mask();
  return MemoryAttributeField::set(found.translation, kRefusedAttribute) + into_part;
}

Mmu::Hit Mmu::insert_linear(const SideLevels& side, VirtAddr va, Rid rid, const Found& found) {
  const bool whole = options_->refuses() || hash_.preferred(va) != kPage;
  if (whole && found.present) return insert(side, va, rid, found.translation, found.size);
  return insert(side, va, rid, base_page_of(found, va), kPage);
}

// An SMP kernel looks whether what it inserted is still so.
void Mmu::read_again(const Found& found, const pt::PageTable& table, VirtAddr va, unsigned words) {
  if (!options_->smp) return;
  const auto again = [&](const pt::WalkStep& word) {
    if (frames_->find_words(word_at(word.address)) != nullptr)
      path_.read(table, va, word, {.origin = mem::Origin::Handler});
  };
  again(found.word);
  if (words > 1) again(found.above);
}

// The same of a word read on the way, however it was.
void Mmu::read_again(const ReadWord& word, const pt::PageTable& table, VirtAddr va) {
  if (word.address == PhysAddr(0))
    read_again(word.found, table, va, 1);
  else if (options_->smp)
    read_leaf(word.address, word.through);
}

Mmu::Hit Mmu::insert(const SideLevels& side, VirtAddr va, Rid rid, uint64_t translation,
                     PageShift size) {
  tlb::Leaf leaf{.pfn = Pfn(0), .size = size, .rights = rights_of(translation)};
  if (PresentBit::get(translation) != 0) {
    leaf.pfn = Pfn((FrameField::get(translation) << 12 & ~size.offset_mask()) >> kPage.log2());
    leaf.dirty = DirtyBit::get(translation) != 0;
    leaf.extra = kEntryPresent | (AccessedBit::get(translation) != 0 ? kEntryAccessed : 0);
  }
  return fill(side, va, rid, leaf);
}

// The kernel's fault code reads and writes the leaf's word and the page through region 7.
void Mmu::note_kernel_work(VirtAddr va) {
  const Found found = look(*table_, va);
  if (found.word.address != PhysAddr(0)) touch_identity(found.word.address);
  if (found.present) touch_identity(PhysAddr(FrameField::get(found.translation) << 12));
}

void Mmu::touch_identity(PhysAddr address) {
  ++counters_.identity_lookups;
  const VirtAddr va = region_base(7) + address.value();
  const Rid rid = registers_[7].rid;
  tlb::Level& data = last_data_level();
  if (use(data, va, rid)) return;
  ++counters_.identity_misses;
  path_.step(kIdentity);
  data.fill(
      va, rid,
      kernel_leaf(address, PageShift(options_->granule()), 0, kEntryPresent | kEntryAccessed));
}

}  // namespace mmusim::ia64
