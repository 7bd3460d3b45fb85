#include "arch/ia64/vhpt.h"

#include <algorithm>
#include <bit>

#include "arch/ia64/words.h"
#include "base/error.h"

namespace mmusim::ia64 {

namespace {

PhysAddr reserve(mem::FrameMemory& frames, uint64_t bytes) {
  const auto base = frames.reserve(std::max(bytes, frames.page().bytes()), mem::FrameUse::SoftTlb);
  if (!base)
    throw Error("", "out of simulated memory for the VHPT",
                "give the machine more with mem.bytes, or the VHPT less with ia64.vhpt.bytes");
  return *base;
}

}  // namespace

LongVhpt::LongVhpt(const Hash& hash, uint64_t bytes, uint64_t chain_entries, bool exchange,
                   mem::FrameMemory& frames, mem::ReferenceSink& sink, mmu::MissPath& path)
    : hash_(hash),
      bytes_(bytes),
      exchange_(exchange),
      frames_(&frames),
      sink_(&sink),
      path_(&path),
      base_(reserve(frames, bytes)),
      owners_(bytes / kVhptEntryBytes),
      positions_(bytes / kVhptEntryBytes, kNoPosition),
      reached_(bytes / kVhptEntryBytes),
      pool_(chain_entries) {
  for (uint32_t slot = 0; slot < owners_.size(); ++slot)
    word(at(slot), kVhptTag) = TagInvalidBit::kMask;
  counters_.slots = owners_.size();
  counters_.bytes = bytes_;
  if (chain_entries == 0) return;
  const uint64_t pool_bytes = std::bit_ceil(chain_entries * kVhptEntryBytes);
  pool_base_ = reserve(frames, pool_bytes);
  bytes_ += std::max(pool_bytes, frames.page().bytes());
  counters_.bytes = bytes_;
}

uint64_t LongVhpt::load(PhysAddr entry, unsigned offset, const WordKind& what, bool dependent) {
  return path_->load(entry + offset, {.dependent = dependent, .what = &what});
}

void LongVhpt::store(PhysAddr entry, unsigned offset, uint64_t value, const WordKind& what) {
  path_->store(entry + offset, value, {.dependent = false, .what = &what});
}

void LongVhpt::kernel_reference(PhysAddr address, bool write) {
  sink_->reference(address, sizeof(uint64_t), write,
                   {.origin = mem::Origin::Kernel, .dependent = !write});
}

void LongVhpt::kernel_store(PhysAddr entry, unsigned offset, uint64_t value) {
  word(entry, offset) = value;
  kernel_reference(entry + offset, true);
}

void LongVhpt::use(uint32_t slot, VirtAddr page, Rid rid) {
  owners_[slot] = {.page = page, .rid = rid, .used = true};
  if (!reached_[slot]) ++counters_.reached;
  reached_[slot] = true;
  if (positions_[slot] != kNoPosition) return;
  positions_[slot] = static_cast<uint32_t>(used_.size());
  used_.push_back(slot);
}

void LongVhpt::release(uint32_t slot) {
  owners_[slot].used = false;
  const uint32_t position = positions_[slot];
  if (position == kNoPosition) return;
  used_[position] = used_.back();
  positions_[used_[position]] = position;
  used_.pop_back();
  positions_[slot] = kNoPosition;
}

bool LongVhpt::look_up(VirtAddr va, Rid rid, Entry& entry) {
  ++counters_.lookups;
  const PhysAddr slot = at(slot_of(va, rid));
  const uint64_t tag = word(slot, kVhptTag);
  path_->touch(slot, 3 * sizeof(uint64_t), false, std::span(frames_->words(slot), 3),
               {.origin = mem::Origin::Walker,
                .dependent = false,
                .through = hash_.thash(va, rid),
                .what = &words::kVhptEntry});
  if (tag != hash_.tag(va, rid)) return false;
  entry.translation = word(slot, 0);
  entry.size = PageShift(static_cast<unsigned>(ItirSizeField::get(word(slot, kVhptItir))));
  ++counters_.hits;
  return true;
}

// The slot's entry moves to the front of its chain, where a pool entry is free or made so.
void LongVhpt::displace(uint32_t slot) {
  const uint32_t index = next_in_pool_;
  next_in_pool_ = (index + 1) % static_cast<uint32_t>(pool_.size());
  if (pool_[index].used) {
    ++counters_.chain_evictions;
    unlink(index);
  }
  const PhysAddr from = at(slot);
  const PhysAddr to = pool_at(index);
  store(to, 0, load(from, 0, words::kVhptTranslation), words::kChainTranslation);
  store(to, kVhptItir, load(from, kVhptItir, words::kVhptItir), words::kChainItir);
  store(to, kVhptTag, word(from, kVhptTag), words::kChainTag);
  store(to, kVhptChain, load(from, kVhptChain, words::kVhptChain), words::kChainLink);
  store(from, kVhptChain, to.value(), words::kVhptChain);
  pool_[index] = owners_[slot];
  pool_[index].slot = slot;
}

// Takes a pool entry out of its chain; a handler's references.
void LongVhpt::unlink(uint32_t index) {
  const PhysAddr gone = pool_at(index);
  PhysAddr before = at(pool_[index].slot);
  while (true) {
    const PhysAddr next(load(before, kVhptChain, words::kChainLink));
    if (next == gone) break;
    before = next;
  }
  store(before, kVhptChain, load(gone, kVhptChain, words::kChainLink), words::kChainLink);
  pool_[index].used = false;
}

// From `link` on; 0: it is not there.
PhysAddr LongVhpt::find_in_chain(PhysAddr link, uint64_t tag) {
  for (; link != PhysAddr(0); link = PhysAddr(load(link, kVhptChain, words::kChainLink))) {
    ++counters_.chain_looks;
    if (load(link, kVhptTag, words::kChainTag) == tag) break;
  }
  return link;
}

bool LongVhpt::search_chain(VirtAddr va, Rid rid, Entry& entry) {
  const uint32_t slot = slot_of(va, rid);
  const uint64_t wanted = hash_.tag(va, rid);
  const PhysAddr link =
      find_in_chain(PhysAddr(load(at(slot), kVhptChain, words::kVhptChain)), wanted);
  if (link == PhysAddr(0)) return false;
  ++counters_.chain_hits;
  const PhysAddr front = at(slot);
  const auto index = static_cast<uint32_t>((link - pool_base_) / kVhptEntryBytes);
  const uint64_t translation = load(link, 0, words::kChainTranslation);
  const uint64_t itir = load(link, kVhptItir, words::kChainItir);
  entry.translation = translation;
  entry.size = PageShift(static_cast<unsigned>(ItirSizeField::get(itir)));
  if (!exchange_) return true;
  if (owners_[slot].used) {
    store(link, 0, load(front, 0, words::kVhptTranslation), words::kChainTranslation);
    store(link, kVhptItir, load(front, kVhptItir, words::kVhptItir), words::kChainItir);
    store(link, kVhptTag, load(front, kVhptTag, words::kVhptTag), words::kChainTag);
    pool_[index] = owners_[slot];
    pool_[index].slot = slot;
  } else {
    unlink(index);
  }
  store(front, 0, translation, words::kVhptTranslation);
  store(front, kVhptItir, itir, words::kVhptItir);
  store(front, kVhptTag, wanted, words::kVhptTag);
  use(slot, align_down(va, kPage), rid);
  return true;
}

void LongVhpt::insert(VirtAddr va, Rid rid, uint64_t translation, PageShift size, PhysAddr pte) {
  ++counters_.inserts;
  const uint32_t slot = slot_of(va, rid);
  const PhysAddr entry = at(slot);
  const bool other = owners_[slot].used && word(entry, kVhptTag) != hash_.tag(va, rid);
  if (other) ++counters_.replaced;
  if (chains()) {
    load(entry, kVhptTag, words::kVhptTag);
    if (other) displace(slot);
  }
  // The CPU's own walker is the only reader, and is not running; hence no ti in between.
  store(entry, 0, translation, words::kVhptTranslation);
  store(entry, kVhptItir, make_itir(size, rid), words::kVhptItir);
  if (!chains()) store(entry, kVhptChain, pte.value(), words::kVhptPointer);
  store(entry, kVhptTag, hash_.tag(va, rid), words::kVhptTag);
  use(slot, align_down(va, kPage), rid);
}

void LongVhpt::fill(VirtAddr va, Rid rid, uint64_t translation, PageShift size, PhysAddr pte) {
  ++counters_.inserts;
  const uint32_t slot = slot_of(va, rid);
  const PhysAddr entry = at(slot);
  if (owners_[slot].used && word(entry, kVhptTag) != hash_.tag(va, rid)) ++counters_.replaced;
  kernel_store(entry, 0, translation);
  kernel_store(entry, kVhptItir, make_itir(size, rid));
  kernel_store(entry, kVhptChain, pte.value());
  kernel_store(entry, kVhptTag, hash_.tag(va, rid));
  use(slot, align_down(va, kPage), rid);
}

std::optional<LongVhpt::Place> LongVhpt::probe(VirtAddr va, Rid rid) {
  const uint64_t wanted = hash_.tag(va, rid);
  const PhysAddr slot = at(slot_of(va, rid));
  const bool ours = load(slot, kVhptTag, words::kVhptTag, false) == wanted;
  const uint64_t fourth =
      load(slot, kVhptChain, chains() ? words::kVhptChain : words::kVhptPointer, false);
  if (ours) return Place{slot, fourth};
  if (!chains()) return std::nullopt;
  const PhysAddr link = find_in_chain(PhysAddr(fourth), wanted);
  if (link == PhysAddr(0)) return std::nullopt;
  return Place{link, 0};
}

void LongVhpt::update(const Place& place, uint64_t translation) {
  store(place.entry, 0, translation, words::kVhptTranslation);
}

void LongVhpt::purge(VirtAddr va, Rid rid) {
  const uint32_t slot = slot_of(va, rid);
  const uint64_t tag = hash_.tag(va, rid);
  const PhysAddr entry = at(slot);
  if (!chains()) {
    // Whatever page's it is: a store without a look.
    if (owners_[slot].used) ++counters_.purged;
    kernel_store(entry, kVhptTag, TagInvalidBit::kMask);
    release(slot);
    return;
  }
  kernel_reference(entry + kVhptTag, false);
  if (word(entry, kVhptTag) == tag) {
    ++counters_.purged;
    kernel_store(entry, kVhptTag, TagInvalidBit::kMask);
    release(slot);
  }
  PhysAddr before = entry;
  while (true) {
    kernel_reference(before + kVhptChain, false);
    const PhysAddr link(word(before, kVhptChain));
    if (link == PhysAddr(0)) return;
    kernel_reference(link + kVhptTag, false);
    if (word(link, kVhptTag) != tag) {
      before = link;
      continue;
    }
    ++counters_.purged;
    kernel_reference(link + kVhptChain, false);
    kernel_store(before, kVhptChain, word(link, kVhptChain));
    pool_[(link - pool_base_) / kVhptEntryBytes].used = false;
  }
}

void LongVhpt::clear() {
  ++counters_.cleared;
  counters_.purged += used_.size();
  for (uint32_t slot = 0; slot < owners_.size(); ++slot) {
    word(at(slot), kVhptTag) = TagInvalidBit::kMask;
    word(at(slot), kVhptChain) = 0;
  }
  sink_->reference_run(base_ + kVhptTag, kVhptEntryBytes, owners_.size(), true,
                       {.origin = mem::Origin::Kernel, .dependent = false});
  while (!used_.empty())
    release(used_.back());
  for (Owner& owner : pool_)
    owner.used = false;
}

void LongVhpt::for_each(const Visitor& visit) const {
  const auto show = [&](PhysAddr entry, const Owner& owner) {
    MMUSIM_ASSERT(word(entry, kVhptTag) == hash_.tag(owner.page, owner.rid));
    visit(owner.page, owner.rid,
          {.translation = word(entry, 0),
           .size = PageShift(static_cast<unsigned>(ItirSizeField::get(word(entry, kVhptItir))))});
  };
  for (const uint32_t slot : used_)
    show(at(slot), owners_[slot]);
  for (uint32_t index = 0; index < pool_.size(); ++index)
    if (pool_[index].used) show(pool_at(index), pool_[index]);
}

}  // namespace mmusim::ia64
