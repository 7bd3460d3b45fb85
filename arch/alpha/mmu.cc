#include "arch/alpha/mmu.h"

#include <fmt/format.h>
#include <string>

#include "arch/alpha/words.h"
#include "base/error.h"
#include "base/units.h"

namespace mmusim::alpha {

Mmu::Mmu(const Options& options, mem::FrameMemory& frames, mem::ReferenceSink& sink, bool linear,
         PhysAddr code)
    : Cpu(kTlbs, options.tlb, {}, kPage, kStepList, frames, sink, {.base = code}),
      frames_(&frames),
      linear_(linear && options.linear_table) {
  unload();
}

std::string Mmu::lookup_text(VirtAddr va, const Hit& hit) const {
  if (!hit) return fmt::format("{:#x} miss, ASN {}", va.value(), asn_);
  return fmt::format("{:#x} hit, {} in frame {:#x}, ASN {}", va.value(),
                     format_size(hit.payload->size.bytes()), hit.payload->pfn.value(), asn_);
}

mmu::Translation Mmu::access(VirtAddr va, AccessKind kind, bool retry) {
  const SideLevels& side = this->side(kind);
  if (retry) ++side.counters->retry_lookups;
  if (!is_user(va)) {
    // The kernel's half, or no sign-extended address.
    count_outside(side, retry);
    path_.step(!side.data ? kFetchAccess : writes(kind) ? kStoreFault : kLoadFault);
    note(Cause::AccessViolation);
    return fault(mmu::FaultReason::NonCanonical);
  }
  if (table_ == nullptr) return nothing_loaded(side, retry);
  Hit hit = look_up(side, va, asn_, retry);
  if (!hit) hit = refill(side, va, kind);
  if (!hit) return fault(miss_fault_);
  if (!hit.payload->rights.allows(kind)) {
    refuse(*hit.payload, kind);
    return fault(mmu::FaultReason::Protection);
  }
  return finish(side, va, hit);
}

Mmu::Hit Mmu::refill(const SideLevels& side, VirtAddr va, AccessKind kind) {
  pt::Entry entry = pt::kNone;
  if (linear_) {
    path_.step(side.data ? kDtbMiss : kItbMiss);
    entry = load_entry(va);
  } else {
    const unsigned step = side.data ? kDtbWalk : kItbWalk;
    path_.step(step);
    const pt::Lookup found = path_.walk(*table_, va, step);
    if (format_.is_present(found.entry)) entry = format_.part_of(found, va, kPage);
  }
  if (pte::Valid::get(entry) == 0) {
    path_.step(!side.data ? kInvalidFetch : writes(kind) ? kInvalidStore : kInvalidLoad);
    note(Cause::NotValid);
    miss_fault_ = mmu::FaultReason::NotPresent;
    return {};
  }
  if (!side.data && pte::FaultOnExecute::get(entry) != 0) {
    path_.step(kFaultOnExecute);
    note(pte::UserRead::get(entry) != 0 ? Cause::OnExecute : Cause::AccessViolation);
    miss_fault_ = mmu::FaultReason::Protection;
    return {};
  }
  path_.step(side.data ? kDtbFill : kItbFill);
  return insert(side, va, entry);
}

// Out of the linear table, by its virtual address.
pt::Entry Mmu::load_entry(VirtAddr va) {
  const VirtAddr at = entry_address(va);
  tlb::Level& dtb = level(kDtb);
  ++counters_.table_loads;
  Hit page = dtb.find(at, asn_);
  if (path_.narrated()) remark_lookup("DTB, for the linear page table", at, page);
  if (page) {
    dtb.touch(page);
  } else {
    ++counters_.table_misses;
    page = double_miss(va, at);
    if (!page) return pt::kNone;
  }
  const PhysAddr word = frames_->address_of(page.payload->pfn) + (at.value() & kPage.offset_mask());
  return path_.load(word, {.through = at, .what = &words::kLeafEntry});
}

// The linear table's page at `table`: the root table's entry for it is known to be the root table,
// so that two loads find it.
Mmu::Hit Mmu::double_miss(VirtAddr va, VirtAddr table) {
  pt::WalkPath path;
  static_cast<void>(table_->walk(va, path));
  const auto words = path.steps();
  const auto read = [&](size_t i, const WordKind& what) {
    MMUSIM_ASSERT(i < words.size());
    return path_.load(words[i].address,
                      {.level = words[i].level, .dependent = words[i].dependent, .what = &what});
  };
  path_.step(kDouble);
  pt::Entry entry = read(0, words::kRootEntry);
  if (pte::Valid::get(entry) != 0) {
    path_.step(kDoubleSecond);
    entry = read(1, words::kMiddleEntry);
  }
  if (pte::Valid::get(entry) == 0) {
    path_.step(kDoubleInvalid);
    return {};
  }
  path_.step(kDoubleFill);
  const PhysAddr there = frames_->address_of(Pfn(pte::Frame::get(entry)));
  return level(kDtb).fill(table, asn_, kernel_leaf(there, kPage, 0, kEntryTable));
}

Mmu::Hit Mmu::insert(const SideLevels& side, VirtAddr va, pt::Entry entry) {
  const PageShift group = group_of(entry);
  const uint64_t first = pte::Frame::get(entry) & ~(group.offset_mask() >> kPage.log2());
  auto extra = static_cast<uint8_t>(entry & pte::kFaultOnAny);
  if (pte::UserRead::get(entry) != 0) extra |= kEntryUserRead;
  if (pte::UserWrite::get(entry) != 0) extra |= kEntryUserWrite;
  return side.first->fill(va, asn_,
                          {.pfn = Pfn(first),
                           .size = group,
                           .rights = rights_of(entry),
                           .dirty = true,  // else stores are not allowed
                           .global = pte::AddressSpaceMatch::get(entry) != 0,
                           .extra = extra});
}

// The hardware's judgement of an entry that does not allow the access: access violation comes
// before fault-on bits.
void Mmu::refuse(const tlb::Payload& entry, AccessKind kind) {
  if (kind == AccessKind::Fetch) {
    // With FOE it would not be in the ITB.
    path_.step(kFetchAccess);
    note(Cause::AccessViolation);
    return;
  }
  const bool store = writes(kind);
  path_.step(store ? kStoreFault : kLoadFault);
  const uint8_t enabled = store ? kEntryUserWrite : kEntryUserRead;
  if ((entry.extra & enabled) == 0)
    note(Cause::AccessViolation);
  else
    note(store ? Cause::OnWrite : Cause::OnRead);
}

void Mmu::load(Asn asn, pt::PageTable& table) {
  table_ = &table;
  asn_ = asn;
  change_space(uint64_t{asn} << kKeyPageBits);
}

void Mmu::unload() {
  table_ = nullptr;
  change_space(uint64_t{1} << (kKeyPageBits + kMostAsnBits));  // nobody's
}

void Mmu::invalidate_page(VirtAddr va) {
  on_every_level([&](tlb::Level& level) { level.invalidate_page(va, asn_); });
}

void Mmu::invalidate_process() {
  on_every_level([](tlb::Level& level) { level.invalidate_non_global(); });
}

}  // namespace mmusim::alpha
