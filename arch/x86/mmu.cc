#include "arch/x86/mmu.h"

#include <algorithm>
#include <fmt/format.h>

#include "arch/x86/entry_bits.h"
#include "arch/x86/entry_format.h"
#include "arch/x86/steps.h"
#include "base/units.h"

namespace mmusim::x86 {

namespace {

// PCIDs are given out from 0 or 1 upwards and options.pcid_slots ends below this one: no key of a
// loaded address space has it, so that no filter answers while none is loaded.
constexpr Pcid kNoPcid = 0xfff;

// Whether the hardware lets a user access of this kind through.
constexpr bool user_may(Rights rights, AccessKind kind) {
  return rights.has(Rights::kUser) && rights.allows(kind);
}

}  // namespace

void Mmu::Counters::add(const Counters& more) {
  Cpu::Counters::add(more);
  walker.add(more.walker);
  pdpte_loads += more.pdpte_loads;
  native.add(more.native);
}

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink,
         DirectMap* direct_map, CpuId id)
    : Cpu(options.levels(), options.tlb, {}, k4K, steps(options), frames, sink, {}),
      paging_(options.paging),
      walker_(options, frames, path_),
      direct_map_(direct_map),
      id_(id) {
  if (options.native_walk) native_.emplace(radix_format(options), options.cached_tables(), path_);
  unload();
}

template <bool kPlain>
[[gnu::always_inline]] inline mmu::FaultReason Mmu::refill(const SideLevels& side, VirtAddr va,
                                                           AccessKind kind, Hit& hit) {
  path_.hardware_step</*kWatched=*/!kPlain>(kWalkStep);
  if constexpr (!kPlain) return take(side, va, walk(va, kind), hit);
  if (walker_.is_pae()) follow_pdptes();
  return take(side, va,
              walker_.is_pae() ? walker_.walk_plain_pae(root_, va, pcid_, kind)
                               : walker_.walk_plain(root_, va, pcid_, kind),
              hit);
}

[[gnu::always_inline]] inline mmu::FaultReason Mmu::take(const SideLevels& side, VirtAddr va,
                                                         const mmu::WalkResult& walk, Hit& hit) {
  if (walk.fault != mmu::FaultReason::None) {
    ++counters_.refused;
    return walk.fault;
  }
  const PageShift size = walk.leaf.size;
  if (size == k4K) [[likely]]
    ++counters_.leaves[0];
  else
    ++counters_.leaves[paging_.level_of_size(size)];
  hit = fill_missed(side, va, pcid_, walk.leaf);
  return mmu::FaultReason::None;
}

[[gnu::always_inline]] inline mmu::WalkResult Mmu::walk(VirtAddr va, AccessKind kind) {
  if (gate_.contains(va)) [[unlikely]]
    return walker_.walk(gate_root_, va, pcid_, kind, Walks::Gate);
  if (native_) return native_->walk(*table_, va, pcid_, kind);
  follow_pdptes();
  return walker_.walk(root_, va, pcid_, kind);
}

void Mmu::follow_pdptes() {
  if (!walker_.pdptes_stale(root_)) return;
  path_.remark("a PDPTE has been changed: the kernel loads CR3 again");
  ++counters_.pdpte_reloads;
  reload();
}

// Of an entry that lets the program through. kMade: it has just been made.
template <bool kMade>
[[gnu::always_inline]] inline mmu::Translation Mmu::finish(const SideLevels& side, VirtAddr va,
                                                           AccessKind kind, const Hit& hit) {
  return Cpu::finish<kMade>(side, mmu::side_of(kind) == mmu::kData, va, hit, hit.payload->rights);
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  mmu::Translation t;
  // Fetches and data apart, so that the compiler knows the side.
  if (!plain(va) || retry)
    t = translate(va, kind, retry);
  else if (kind == AccessKind::Fetch)
    t = attempt<true>(va, AccessKind::Fetch, /*retry=*/false);
  else
    t = attempt<true>(va, kind, /*retry=*/false);
  // Where a copy has no room its own page fault goes on into the kernel.
  if (!t.ok() && t.fault != mmu::FaultReason::NoMemory) path_.step(kPageFaultStep);
  return t;
}

mmu::Translation Mmu::translate(VirtAddr va, AccessKind kind, bool retry) {
  if (retry && direct_map_ != nullptr && table_ != nullptr) note_kernel_work(va);
  if (retry && shadow_ != nullptr) shadow_->fill(va, kind, /*preload=*/true, path_);
  for (bool filled = false;; filled = true) {
    const mmu::Translation t = attempt<false>(va, kind, retry || filled);
    if (filled || shadow_ == nullptr ||
        (t.fault != mmu::FaultReason::NotPresent && t.fault != mmu::FaultReason::Protection))
      return t;
    switch (shadow_->fill(va, kind, /*preload=*/false, path_)) {
      case mmu::Shadow::Fill::Done:
        break;
      case mmu::Shadow::Fill::NoRoom:
        return {.fault = mmu::FaultReason::NoMemory, .size = {}, .rights = {}, .pfn = {}};
      case mmu::Shadow::Fill::Refused:
        return t;
      case mmu::Shadow::Fill::Forbidden: {
        // That the copy has nothing there says nothing: the kernel, which takes a fetch of what is
        // not there for a read, must not take this one so.
        mmu::Translation forbidden = t;
        if (kind == AccessKind::Fetch) forbidden.fault = mmu::FaultReason::Protection;
        return forbidden;
      }
    }
  }
}

template <bool kPlain>
[[gnu::always_inline]] inline mmu::Translation Mmu::attempt(VirtAddr va, AccessKind kind,
                                                            bool retry) {
  const SideLevels& side = this->side(kind);
  if (retry) ++side.counters->retry_lookups;
  if constexpr (!kPlain) {
    if (!paging_.has_address(va)) {
      count_outside(side, retry);
      return count_fault(mmu::FaultReason::NonCanonical);
    }
    if (!loaded_) {
      miss_first(side, retry);
      miss_second(side, retry);
      return refuse(va, mmu::FaultReason::NotPresent);
    }
  }
  constexpr bool kTold = !kPlain;
  Hit first = look_up<kTold>(side, va, pcid_, retry);
  const Hit hit = first ? first : look_up_second<kTold>(side, va, pcid_, retry);
  if (!hit) {
    const mmu::FaultReason fault = refill<kPlain>(side, va, kind, first);
    if (fault != mmu::FaultReason::None) return refuse(va, fault);
    return finish<true>(side, va, kind, first);
  }
  if (!user_may(hit.payload->rights, kind)) return refuse(va, mmu::FaultReason::Protection);
  if (writes(kind) && !hit.payload->dirty) return dirty_assist(side, va, kind, *hit.payload);
  if (!first) return finish<true>(side, va, kind, fill_first(side, va, pcid_, hit));
  return finish(side, va, kind, first);
}

// A store found an entry with D = 0: the processor walks again to set D in memory, then in the
// entries it has. An entry that no longer says what the page table says (the kernel may upgrade a
// leaf without a flush) is replaced.
mmu::Translation Mmu::dirty_assist(const SideLevels& side, VirtAddr va, AccessKind kind,
                                   tlb::Payload before) {
  ++counters_.dirty_assists;
  path_.step(kAssistStep);
  const mmu::WalkResult walk = this->walk(va, kind);
  if (walk.fault != mmu::FaultReason::None) {
    ++counters_.refused;
    return refuse(va, walk.fault);
  }
  const tlb::Leaf known = leaf_of(before, va);
  if (known.size == walk.leaf.size && known.pfn == walk.leaf.pfn &&
      known.rights == walk.leaf.rights && known.global == walk.leaf.global) {
    mark_dirty(*side.first, va);
    if (side.second != nullptr) mark_dirty(*side.second, va);
  } else {
    invalidate_faulting(va);
    if (side.second != nullptr) side.second->fill(va, pcid_, walk.leaf);
  }
  Hit hit = side.first->find(va, pcid_);
  if (!hit) hit = side.first->fill(va, pcid_, walk.leaf);
  return finish(side, va, kind, hit);
}

void Mmu::note_kernel_work(VirtAddr va) {
  pt::WalkPath words;
  const pt::Lookup found = table_->walk(va, words);
  if (words.steps().empty() || found.entry == pt::kNone) return;
  touch_as_kernel(words.steps().back().address, known_table_);
  const uint64_t frame = AddressBits::get(found.entry) & ~(found.size.offset_mask() >> 12);
  touch_as_kernel(PhysAddr((frame + ((va - found.base) >> 12)) << 12), known_page_);
}

void Mmu::touch_as_kernel(PhysAddr address, Hit& known) {
  if (direct_map_->maps(address)) {
    look_up_as_kernel(direct_map_->of(address), known);
    return;
  }
  const DirectMap::Slot& slot = direct_map_->slot(id_);
  ++counters_.kmaps;
  path_.step(kKmapStep);
  set_kmap(slot, address);
  look_up_as_kernel(slot.page + (address.value() & k4K.offset_mask()), known);
  path_.step(kKunmapStep);
  set_kmap(slot, std::nullopt);
  invlpg(slot.page);
}

void Mmu::set_kmap(const DirectMap::Slot& slot, std::optional<PhysAddr> there) {
  const VirtAddr through = direct_map_->of(slot.entry);
  look_up_as_kernel(through, known_table_);
  const uint64_t entry = direct_map_->put(slot, there);
  path_.touch(slot.entry, paging_.entry_bytes(), true, entry,
              {.origin = mem::Origin::Kernel,
               .level = 0,
               .dependent = false,
               .through = through,
               .what = &entry_kind(0)});
}

void Mmu::look_up_as_kernel(VirtAddr va, Hit& known) {
  ++counters_.direct_lookups;
  tlb::Level& first = *side(mmu::kData).first;
  if (known && first.still_has(known, va, pcid_)) [[likely]]
    first.touch(known);
  else
    find_as_kernel(va, known);
}

void Mmu::find_as_kernel(VirtAddr va, Hit& known) {
  const SideLevels& side = this->side(mmu::kData);
  known = side.first->find(va, pcid_);
  if (known) {
    side.first->touch(known);
    return;
  }
  if (side.second != nullptr) {
    if (const Hit hit = side.second->find(va, pcid_)) {
      side.second->touch(hit);
      known = fill_first(side, va, pcid_, hit);
      return;
    }
  }
  ++counters_.direct_misses;
  path_.step(kDirectWalkStep);
  const mmu::WalkResult walk =
      walker_.walk(direct_map_->root(), va, pcid_, AccessKind::Load, Walks::Kernel);
  MMUSIM_ASSERT(walk.fault == mmu::FaultReason::None);
  known = fill_missed(side, va, pcid_, walk.leaf);
}

std::string Mmu::lookup_text(VirtAddr /*va*/, const Hit& hit) const {
  if (!hit) return "miss";
  return fmt::format("hit, {} page in frame {:#x}{}", format_size(hit.payload->size.bytes()),
                     hit.payload->pfn.value(), hit.payload->dirty ? ", D set" : "");
}

void Mmu::mark_dirty(tlb::Level& level, VirtAddr va) const {
  const Hit hit = level.find(va, pcid_);
  if (hit) hit.payload->dirty = true;
}

mmu::Translation Mmu::refuse(VirtAddr va, mmu::FaultReason reason) {
  invalidate_faulting(va);
  return count_fault(reason);
}

void Mmu::load(pt::RootToken root, Pcid pcid, mmu::Shadow* shadow, pt::PageTable* table) {
  MMUSIM_ASSERT(!native_ || table != nullptr);
  shadow_ = shadow;
  table_ = table;
  root_ = root.address;
  pcid_ = pcid;
  loaded_ = true;
  find_plain();
  if (!native_) walker_.load_pdptes(root_);
  change_space(uint64_t{pcid} << kKeyPageBits);
}

// The lower half of the addresses, or what of it lies below the gate.
void Mmu::find_plain() {
  plain_end_ = 0;
  if (!loaded_ || native_ || shadow_ != nullptr || path_.watched()) return;
  plain_end_ = uint64_t{1} << (paging_.is_long() ? paging_.shift(paging_.levels) - 1 : 32);
  if (gate_.begin < gate_.end) plain_end_ = std::min(plain_end_, gate_.begin.value());
}

void Mmu::reload() {
  invalidate_non_global();
  if (!native_) walker_.load_pdptes(root_);
}

void Mmu::unload() {
  loaded_ = false;
  shadow_ = nullptr;
  table_ = nullptr;
  find_plain();
  change_space(uint64_t{kNoPcid} << kKeyPageBits);
}

void Mmu::invlpg(VirtAddr va) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, pcid_); });
  walker_.caches().invalidate_space(pcid_);
  if (native_) native_->cache().invalidate_space(pcid_);
}

void Mmu::invalidate_faulting(VirtAddr va) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, pcid_); });
  walker_.caches().invalidate_address(va, pcid_);
  if (native_) native_->cache().invalidate_address(va, pcid_);
}

void Mmu::invalidate_pcid(Pcid pcid) {
  on_every_level([&](tlb::Level& level) { level.invalidate_space(pcid); });
  walker_.caches().invalidate_space(pcid);
  if (native_) native_->cache().invalidate_space(pcid);
}

void Mmu::invalidate_non_global() {
  on_every_level([](tlb::Level& level) { level.invalidate_non_global(); });
  walker_.caches().invalidate_all();
  if (native_) native_->cache().invalidate_all();
}

void Mmu::invalidate_all() {
  on_every_level([](tlb::Level& level) { level.invalidate_all(); });
  walker_.caches().invalidate_all();
  if (native_) native_->cache().invalidate_all();
}

void Mmu::for_each_known_table(
    const std::function<void(Pcid, VirtAddr base, PhysAddr table)>& visit) const {
  if (!native_) return;
  native_->cache().for_each([&](uint64_t space, VirtAddr base, PhysAddr table) {
    visit(static_cast<Pcid>(space), base, table);
  });
}

Mmu::Counters Mmu::counters() const {
  return {all_counters(), walker_.counters(), walker_.pdpte_loads(),
          native_ ? native_->counters() : mmu::NativeWalkCounters{}};
}

}  // namespace mmusim::x86
