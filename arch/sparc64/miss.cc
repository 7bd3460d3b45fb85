// What the handlers do when the TLB does not have the page.
#include <optional>

#include "arch/sparc64/mmu.h"
#include "arch/sparc64/words.h"
#include "base/error.h"

namespace mmusim::sparc64 {

namespace {

// Where things are in a CPU's block of data for the handlers (Linux: struct trap_per_cpu).
enum : unsigned { kRootOffset = 0, kHugeOffset = 8, kHugeTempOffset = 16 };

}  // namespace

// What is in the block is known here; it is referenced for what that costs.
void Mmu::touch_block(unsigned offset, bool write, uint64_t value) {
  path_.touch(shared_.cpu_block + offset, 8, write, value,
              {.dependent = false, .what = offset == kRootOffset ? &words::kRoot : &words::kHuge});
}

uint64_t Mmu::huge_register() const {
  return space_.huge == nullptr ? ~uint64_t{0} : space_.huge->register_value();
}

Mmu::Hit Mmu::refill(const SideLevels& side, VirtAddr va) {
  if (space_.base == nullptr) return walk_at_once(side, va);
  path_.step(side.data ? kDataMiss : kInstructionMiss);
  ++counters_.tsb_lookups;
  std::optional<uint64_t> found = space_.base->probe(va, path_);
  remark_found("TSB", found.has_value());
  if (found) {
    ++counters_.tsb_hits;
    return load_tlb(side, va, *found);
  }
  path_.step(kTsbMiss);
  touch_block(kHugeOffset, false, huge_register());
  if (space_.huge != nullptr) {
    path_.step(kHugeProbe);
    ++counters_.huge_lookups;
    found = space_.huge->probe(va, path_);
    remark_found("TSB of huge pages", found.has_value());
    if (found) {
      ++counters_.huge_hits;
      path_.step(kReload);
      return load_tlb(side, va, *found);
    }
    path_.step(kHugeMiss);
  }
  return walk_and_insert(side, va);
}

Mmu::Hit Mmu::walk_at_once(const SideLevels& side, VirtAddr va) {
  const unsigned step = side.data ? kDataWalk : kInstructionWalk;
  path_.step(step);
  touch_block(kRootOffset, false, space_.table->root().address.value());
  const std::optional<uint64_t> found = search(va, step, more::kWalkAtOnce);
  if (!found) return refuse(side, mmu::FaultReason::NotPresent);
  return load_tlb(side, va, *found);
}

Mmu::Hit Mmu::walk_and_insert(const SideLevels& side, VirtAddr va) {
  path_.step(kWalk);
  touch_block(kHugeTempOffset, true, huge_register());
  touch_block(kRootOffset, false, space_.table->root().address.value());
  const std::optional<uint64_t> found = search(va, kWalk, more::kWalk);
  if (!found) return refuse(side, mmu::FaultReason::NotPresent);
  if (huge_wanted(*found)) {
    path_.step(kHugeLeaf);
    touch_block(kHugeTempOffset, false, huge_register());
    // The kernel makes the TSB, and the instruction traps again.
    if (space_.huge == nullptr) {
      path_.more_instructions(kHugeLeaf, more::kHugeSetup);
      if (need_huge_()) return refill(side, va);
    }
  }
  path_.step(kTsbInsert);
  tsb_for(*found).insert(va, *found, path_);
  path_.step(kReload);
  return load_tlb(side, va, *found);
}

std::optional<uint64_t> Mmu::search(VirtAddr va, unsigned step, const WalkInstructions& more) {
  ++counters_.walks;
  const pt::Lookup lookup = path_.walk(*space_.table, va, step);
  const std::optional<uint64_t> found = tte_of(format_, lookup, va);
  if (!found) {
    if (lookup.has_slot || lookup.entry != pt::kNone) path_.more_instructions(step, more.invalid);
    return std::nullopt;
  }
  path_.more_instructions(step, size_of(*found) == kLargePage ? more.huge_leaf : more.leaf);
  remember(va, *found);
  return found;
}

Mmu::Hit Mmu::load_tlb(const SideLevels& side, VirtAddr va, uint64_t word) {
  if (!side.data) {
    path_.step(kExecCheck);
    if (tte::Exec::get(word) == 0) return refuse(side, mmu::FaultReason::Protection);
  }
  path_.step(side.data ? kDataLoad : kInstructionLoad);
  if (path_.narrated()) path_.remark("loaded: " + fields_text(words::kTteFields, word));
  return side.first->fill(va, space_.context,
                          {.pfn = Pfn(tte::Frame::get(word)),
                           .size = size_of(word),
                           .rights = side.data ? data_rights(word) : fetch_rights(),
                           .dirty = tte::Writable::get(word) != 0});
}

Mmu::Hit Mmu::refuse(const SideLevels& side, mmu::FaultReason reason) {
  miss_fault_ = reason;
  path_.step(side.data ? kDataFault : kInstructionFault);
  return {};
}

// The kernel has fixed a fault: it went to the entry and to the page through its linear mapping,
// and put the page into the TSB.
void Mmu::after_fault(VirtAddr va) {
  pt::WalkPath walk;
  const std::optional<uint64_t> found = tte_of(format_, space_.table->walk(va, walk), va);
  if (options_->linear_map) {
    if (!walk.steps().empty()) touch_linear(walk.steps().back().address);
    if (found) touch_linear(PhysAddr(tte::Frame::get(*found) << kPage.log2()));
  }
  if (space_.base == nullptr || !found) return;
  // Without a TSB of huge pages Linux leaves them to the first miss.
  if (huge_wanted(*found) && space_.huge == nullptr) return;
  path_.step(kUpdate);
  ++counters_.updates;
  tsb_for(*found).insert(va, *found, path_);
  remember(va, *found);
}

void Mmu::touch_linear(PhysAddr address) {
  ++counters_.linear_lookups;
  const VirtAddr va = kLinearMap + address.value();
  tlb::Level& dtlb = level(kDtlb);
  if (use(dtlb, va, 0)) return;
  ++counters_.linear_misses;
  path_.step(kKernelMiss);
  std::optional<uint64_t> found = shared_.kernel->probe(va, path_);
  if (found) {
    ++counters_.linear_tsb_hits;
  } else {
    path_.step(kKernelTte);
    found = linear_tte(address);
    shared_.kernel->insert(va, *found, path_);
  }
  path_.step(kDataLoad);
  dtlb.fill(va, 0, kernel_leaf(PhysAddr(tte::Frame::get(*found) << kPage.log2()), kLargePage));
}

}  // namespace mmusim::sparc64
