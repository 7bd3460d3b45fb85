#include "arch/x86/mmu.h"

#include <fmt/format.h>

#include "arch/x86/entry_bits.h"
#include "arch/x86/entry_format.h"
#include "arch/x86/steps.h"
#include "base/units.h"

namespace mmusim::x86 {

namespace {

// PCIDs are given out from 0 or 1 upwards and options.pcid_slots ends below this one: no key of a
// loaded address space has it, so that no filter answers while none is loaded.
constexpr uint64_t kNoContext = uint64_t{0xfff} << 52;

// Whether the hardware lets a user access of this kind through.
constexpr bool user_may(Rights rights, AccessKind kind) {
  return rights.has(Rights::kUser) && rights.allows(kind);
}

// The leaf a TLB entry found at `va` was made from.
tlb::Leaf leaf_of(const tlb::Payload& payload, VirtAddr va) {
  const uint64_t into_leaf = align_down(va, payload.size).value() & payload.leaf.offset_mask();
  return {.pfn = payload.pfn - (into_leaf >> 12),
          .size = payload.leaf,
          .rights = payload.rights,
          .dirty = payload.dirty,
          .global = payload.global};
}

}  // namespace

void SideCounters::add(const SideCounters& o) {
  misses += o.misses;
  second_misses += o.second_misses;
  retry_lookups += o.retry_lookups;
  retry_misses += o.retry_misses;
  retry_second_misses += o.retry_second_misses;
  non_canonical += o.non_canonical;
}

void MmuCounters::add(const MmuCounters& o) {
  for (size_t i = 0; i < accesses.size(); ++i)
    accesses[i] += o.accesses[i];
  for (size_t i = 0; i < sides.size(); ++i)
    sides[i].add(o.sides[i]);
  for (size_t i = 0; i < levels.size(); ++i) {
    levels[i].fills += o.levels[i].fills;
    levels[i].evictions += o.levels[i].evictions;
    levels[i].invalidated += o.levels[i].invalidated;
  }
  dirty_assists += o.dirty_assists;
  direct_lookups += o.direct_lookups;
  direct_misses += o.direct_misses;
  kmaps += o.kmaps;
  for (size_t i = 0; i < faults.size(); ++i)
    faults[i] += o.faults[i];
  for (size_t i = 0; i < leaves.size(); ++i)
    leaves[i] += o.leaves[i];
  pdpte_reloads += o.pdpte_reloads;
  pdpte_loads += o.pdpte_loads;
  walker.add(o.walker);
  native.add(o.native);
}

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
         DirectMap* direct_map, CpuId id)
    : paging_(options.paging),
      l1i_(options.l1i, k4K, true),
      l1d_(options.l1d, k4K, true),
      path_(steps(options), frames, sink, {}),
      walker_(options, frames, path_),
      fetch_filter_(&l1i_.filter()),
      data_filter_(&l1d_.filter()),
      context_(kNoContext),
      direct_map_(direct_map),
      id_(id) {
  if (!options.l2.empty()) l2_.emplace(options.l2, k4K, false);
  if (!options.l2i.empty()) l2i_.emplace(options.l2i, k4K, false);
  tlb::Level* second = l2_ ? &*l2_ : nullptr;
  sides_[0] = {.first = &l1i_,
               .second = l2i_                 ? &*l2i_
                         : options.l2_fetches ? second
                                              : nullptr,
               .counters = &counters_.sides[0],
               .data = false,
               .name = "first-level instruction TLB"};
  sides_[1] = {.first = &l1d_,
               .second = second,
               .counters = &counters_.sides[1],
               .data = true,
               .name = "first-level data TLB"};
  if (options.native_walk) native_.emplace(radix_format(options), options.cached_tables(), path_);
}

template <class Action>
void Mmu::on_every_level(Action action) {
  action(l1i_);
  action(l1d_);
  if (l2_) action(*l2_);
  if (l2i_) action(*l2i_);
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  const mmu::Translation t = translate(va, kind, retry);
  // Where a copy has no room its own page fault goes on into the kernel.
  if (!t.ok() && t.fault != mmu::FaultReason::NoMemory) path_.step(kPageFaultStep);
  return t;
}

mmu::Translation Mmu::translate(VirtAddr va, AccessKind kind, bool retry) {
  if (retry && direct_map_ != nullptr && table_ != nullptr) note_kernel_work(va);
  if (shadow_ == nullptr) return attempt(va, kind, retry);
  if (retry) shadow_->fill(va, kind, /*preload=*/true, path_);
  const mmu::Translation t = attempt(va, kind, retry);
  if (t.fault != mmu::FaultReason::NotPresent && t.fault != mmu::FaultReason::Protection) return t;
  switch (shadow_->fill(va, kind, /*preload=*/false, path_)) {
    case mmu::Shadow::Fill::Done:
      return attempt(va, kind, /*retry=*/true);
    case mmu::Shadow::Fill::NoRoom:
      return {.fault = mmu::FaultReason::NoMemory, .pfn = {}, .size = {}, .rights = {}};
    case mmu::Shadow::Fill::Refused:
      break;
    case mmu::Shadow::Fill::Forbidden: {
      // That the copy has nothing there says nothing: the kernel, which takes a fetch of what is
      // not there for a read, must not take this one so.
      mmu::Translation forbidden = t;
      if (kind == AccessKind::Fetch) forbidden.fault = mmu::FaultReason::Protection;
      return forbidden;
    }
  }
  return t;
}

mmu::Translation Mmu::attempt(VirtAddr va, AccessKind kind, bool retry) {
  Side& side = sides_[kind == AccessKind::Fetch ? 0 : 1];
  if (retry) ++side.counters->retry_lookups;
  if (!paging_.has_address(va)) {
    if (!retry) ++side.counters->non_canonical;
    ++counters_.faults[static_cast<unsigned>(mmu::FaultReason::NonCanonical)];
    return {.fault = mmu::FaultReason::NonCanonical, .pfn = {}, .size = {}, .rights = {}};
  }
  if (loaded_) {
    const tlb::Level::Hit hit = side.first->find(va, pcid_);
    if (path_.narrated()) remark_lookup(side.name, hit);
    if (hit) {
      side.first->touch(hit);
      if (!user_may(hit.payload->rights, kind)) return fault(va, mmu::FaultReason::Protection);
      if (writes(kind) && !hit.payload->dirty) return dirty_assist(side, va, kind, *hit.payload);
      return finish(side, va, hit);
    }
  }
  return refill(side, va, kind, retry);
}

mmu::Translation Mmu::refill(Side& side, VirtAddr va, AccessKind kind, bool retry) {
  ++(retry ? side.counters->retry_misses : side.counters->misses);
  if (side.second != nullptr && loaded_) {
    const tlb::Level::Hit hit = side.second->find(va, pcid_);
    if (path_.narrated()) remark_lookup("second-level TLB", hit);
    if (hit) {
      side.second->touch(hit);
      if (!user_may(hit.payload->rights, kind)) return fault(va, mmu::FaultReason::Protection);
      if (writes(kind) && !hit.payload->dirty) return dirty_assist(side, va, kind, *hit.payload);
      return finish(side, va, side.first->fill(va, pcid_, leaf_of(*hit.payload, va)));
    }
  }
  if (side.second != nullptr)
    ++(retry ? side.counters->retry_second_misses : side.counters->second_misses);
  if (!loaded_) return fault(va, mmu::FaultReason::NotPresent);

  path_.step(kWalkStep);
  const mmu::WalkResult walk = this->walk(va, kind);
  if (walk.fault != mmu::FaultReason::None) return fault(va, walk.fault);
  ++counters_.leaves[paging_.level_of_size(walk.leaf.size)];
  if (side.second != nullptr) side.second->fill(va, pcid_, walk.leaf);
  return finish(side, va, side.first->fill(va, pcid_, walk.leaf));
}

mmu::WalkResult Mmu::walk(VirtAddr va, AccessKind kind) {
  if (gate_.contains(va)) [[unlikely]]
    return walker_.walk(gate_root_, va, pcid_, kind, Walks::Gate);
  if (native_) return native_->walk(*table_, va, pcid_, kind);
  if (pdptes_stale()) {
    path_.remark("a PDPTE has been changed: the kernel loads CR3 again");
    ++counters_.pdpte_reloads;
    reload();
  }
  return walker_.walk(root_, va, pcid_, kind);
}

// A store found an entry with D = 0: the processor walks again to set D in memory, then in the
// entries it has. An entry that no longer says what the page table says (the kernel may upgrade a
// leaf without a flush) is replaced.
mmu::Translation Mmu::dirty_assist(Side& side, VirtAddr va, AccessKind kind, tlb::Payload before) {
  ++counters_.dirty_assists;
  path_.step(kAssistStep);
  const mmu::WalkResult walk = this->walk(va, kind);
  if (walk.fault != mmu::FaultReason::None) return fault(va, walk.fault);
  const tlb::Leaf known = leaf_of(before, va);
  if (known.size == walk.leaf.size && known.pfn == walk.leaf.pfn &&
      known.rights == walk.leaf.rights && known.global == walk.leaf.global) {
    mark_dirty(*side.first, va);
    if (side.second != nullptr) mark_dirty(*side.second, va);
  } else {
    invalidate_faulting(va);
    if (side.second != nullptr) side.second->fill(va, pcid_, walk.leaf);
  }
  tlb::Level::Hit hit = side.first->find(va, pcid_);
  if (!hit) hit = side.first->fill(va, pcid_, walk.leaf);
  return finish(side, va, hit);
}

void Mmu::note_kernel_work(VirtAddr va) {
  pt::WalkPath words;
  const pt::Lookup found = table_->walk(va, words);
  if (words.steps().empty() || found.entry == pt::kNone) return;
  touch_as_kernel(words.steps().back().address);
  const uint64_t frame = AddressBits::get(found.entry) & ~(found.size.offset_mask() >> 12);
  touch_as_kernel(PhysAddr((frame + ((va - found.base) >> 12)) << 12));
}

void Mmu::touch_as_kernel(PhysAddr address) {
  if (direct_map_->maps(address)) {
    look_up_as_kernel(direct_map_->of(address));
    return;
  }
  const DirectMap::Slot& slot = direct_map_->slot(id_);
  ++counters_.kmaps;
  path_.step(kKmapStep);
  set_kmap(slot, address);
  look_up_as_kernel(slot.page + (address.value() & k4K.offset_mask()));
  path_.step(kKunmapStep);
  set_kmap(slot, std::nullopt);
  invlpg(slot.page);
}

void Mmu::set_kmap(const DirectMap::Slot& slot, std::optional<PhysAddr> there) {
  const VirtAddr through = direct_map_->of(slot.entry);
  look_up_as_kernel(through);
  const uint64_t entry = direct_map_->put(slot, there);
  path_.touch(slot.entry, paging_.entry_bytes(), true, entry,
              {.origin = mem::Origin::Kernel,
               .level = 0,
               .dependent = false,
               .through = through,
               .what = &entry_kind(0)});
}

void Mmu::look_up_as_kernel(VirtAddr va) {
  Side& side = sides_[1];
  ++counters_.direct_lookups;
  if (const tlb::Level::Hit hit = side.first->find(va, pcid_)) {
    side.first->touch(hit);
    return;
  }
  if (side.second != nullptr) {
    if (const tlb::Level::Hit hit = side.second->find(va, pcid_)) {
      side.second->touch(hit);
      side.first->fill(va, pcid_, leaf_of(*hit.payload, va));
      return;
    }
  }
  ++counters_.direct_misses;
  path_.step(kDirectWalkStep);
  const mmu::WalkResult walk =
      walker_.walk(direct_map_->root(), va, pcid_, AccessKind::Load, Walks::Kernel);
  MMUSIM_ASSERT(walk.fault == mmu::FaultReason::None);
  if (side.second != nullptr) side.second->fill(va, pcid_, walk.leaf);
  side.first->fill(va, pcid_, walk.leaf);
}

void Mmu::remark_lookup(const char* level, const tlb::Level::Hit& hit) {
  if (!hit) {
    path_.remark(fmt::format("{}: miss", level));
    return;
  }
  path_.remark(fmt::format("{}: hit, {} page in frame {:#x}{}", level,
                           format_size(hit.payload->size.bytes()), hit.payload->pfn.value(),
                           hit.payload->dirty ? ", D set" : ""));
}

void Mmu::mark_dirty(tlb::Level& level, VirtAddr va) {
  const tlb::Level::Hit hit = level.find(va, pcid_);
  if (hit) hit.payload->dirty = true;
}

mmu::Translation Mmu::finish(Side& side, VirtAddr va, const tlb::Level::Hit& hit) {
  const tlb::Payload& payload = *hit.payload;
  const bool user = payload.rights.has(Rights::kUser);
  if (side.data)
    side.first->filter_install(hit, key_of(va), user,
                               user && payload.rights.has(Rights::kWrite) && payload.dirty);
  else
    side.first->filter_install(hit, key_of(va), user && payload.rights.has(Rights::kExec), false);
  const uint64_t into_entry = va.value() & payload.size.offset_mask();
  return {.fault = mmu::FaultReason::None,
          .pfn = payload.pfn + (into_entry >> 12),
          .size = payload.leaf,
          .rights = payload.rights};
}

mmu::Translation Mmu::fault(VirtAddr va, mmu::FaultReason reason) {
  ++counters_.faults[static_cast<unsigned>(reason)];
  invalidate_faulting(va);
  return {.fault = reason, .pfn = {}, .size = {}, .rights = {}};
}

void Mmu::load(pt::RootToken root, Pcid pcid, mmu::Shadow* shadow, pt::PageTable* table) {
  MMUSIM_ASSERT(!native_ || table != nullptr);
  shadow_ = shadow;
  table_ = table;
  root_ = root.address;
  pcid_ = pcid;
  context_ = uint64_t{pcid} << 52;
  loaded_ = true;
  if (!native_) walker_.load_pdptes(root_);
  ++generation_;
}

void Mmu::reload() {
  invalidate_non_global();
  if (!native_) walker_.load_pdptes(root_);
}

void Mmu::unload() {
  loaded_ = false;
  shadow_ = nullptr;
  table_ = nullptr;
  context_ = kNoContext;
  ++generation_;
}

void Mmu::invlpg(VirtAddr va) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, pcid_); });
  walker_.caches().invalidate_space(pcid_);
  if (native_) native_->cache().invalidate_space(pcid_);
  ++generation_;
}

void Mmu::invalidate_faulting(VirtAddr va) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, pcid_); });
  walker_.caches().invalidate_address(va, pcid_);
  if (native_) native_->cache().invalidate_address(va, pcid_);
  ++generation_;
}

void Mmu::invalidate_pcid(Pcid pcid) {
  on_every_level([&](tlb::Level& level) { level.invalidate_space(pcid); });
  walker_.caches().invalidate_space(pcid);
  if (native_) native_->cache().invalidate_space(pcid);
  ++generation_;
}

void Mmu::invalidate_non_global() {
  on_every_level([](tlb::Level& level) { level.invalidate_non_global(); });
  walker_.caches().invalidate_all();
  if (native_) native_->cache().invalidate_all();
  ++generation_;
}

void Mmu::invalidate_all() {
  on_every_level([](tlb::Level& level) { level.invalidate_all(); });
  walker_.caches().invalidate_all();
  if (native_) native_->cache().invalidate_all();
  ++generation_;
}

void Mmu::for_each_entry(
    const std::function<void(const char* where, const tlb::EntryView& entry)>& visit) const {
  const auto level = [&visit](const char* where, const tlb::Level& entries) {
    entries.for_each([&](const tlb::EntryView& entry) { visit(where, entry); });
  };
  level("l1i", l1i_);
  level("l1d", l1d_);
  if (l2_) level("l2", *l2_);
  if (l2i_) level("l2i", *l2i_);
}

void Mmu::for_each_known_table(
    const std::function<void(Pcid, VirtAddr base, PhysAddr table)>& visit) const {
  if (!native_) return;
  native_->cache().for_each([&](uint64_t space, VirtAddr base, PhysAddr table) {
    visit(static_cast<Pcid>(space), base, table);
  });
}

MmuCounters Mmu::counters() const {
  MmuCounters counters = counters_;
  counters.walker = walker_.counters();
  counters.pdpte_loads = walker_.pdpte_loads();
  if (native_) counters.native = native_->counters();
  const auto of = [](const tlb::Level& level) {
    return LevelCounters{level.fills(), level.evictions(), level.invalidated()};
  };
  counters.levels[kL1I] = of(l1i_);
  counters.levels[kL1D] = of(l1d_);
  if (l2_) counters.levels[kL2] = of(*l2_);
  if (l2i_) counters.levels[kL2I] = of(*l2i_);
  return counters;
}

}  // namespace mmusim::x86
