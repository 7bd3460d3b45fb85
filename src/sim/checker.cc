#include "sim/checker.h"

#include <algorithm>

#include "base/error.h"
#include "kernel/address_space.h"

namespace mmusim::sim {
namespace {

[[noreturn]] void violation(const std::string& what) {
  throw Error("check", what, "this is a defect of the simulator or of the page-table backend");
}

}  // namespace

pt::Lookup Checker::compare(const char* where, const pt::PageTable& table, VirtAddr va, Pfn pfn,
                            Rights rights) {
  const pt::Lookup truth = table.peek(va);
  if (truth.entry == pt::kNone || !format_.is_present(truth.entry)) {
    violation(fmt::format(
        "{} translates {:#x} to frame {:#x}, but the page table has no translation for it", where,
        va.value(), pfn.value()));
  }
  const pt::LeafFields leaf = format_.parse_leaf(truth.entry, truth.size);
  const Pfn expected = leaf.pfn + ((va - truth.base) >> frames_.page().log2());
  if (pfn != expected) {
    violation(fmt::format("{} translates {:#x} to frame {:#x}, but the page table says frame {:#x}",
                          where, va.value(), pfn.value(), expected.value()));
  }
  constexpr unsigned kAccess = Rights::kRead | Rights::kWrite | Rights::kExec;
  if ((rights.bits() & kAccess & ~leaf.rights.bits()) != 0) {
    violation(
        fmt::format("{} allows more at {:#x} than the page table (rights {:#x} against {:#x})",
                    where, va.value(), rights.bits() & kAccess, leaf.rights.bits() & kAccess));
  }
  if (is_table(pfn))
    violation(fmt::format("{} translates {:#x} to frame {:#x}, which holds a table", where,
                          va.value(), pfn.value()));
  if (!frames_.in_use(pfn)) {
    violation(fmt::format("{} translates {:#x} to frame {:#x}, which is free", where, va.value(),
                          pfn.value()));
  }
  return truth;
}

void Checker::check_translation(CpuId cpu, VirtAddr va, AccessKind kind,
                                const mmu::Translation& translation) {
  ++translations_;
  accessed();
  const pt::PageTable* table = kernel_->table_for(cpu, va);
  MMUSIM_ASSERT(table != nullptr);
  compare(name_of(kind), *table, va, translation.pfn, translation.rights);
  if (!translation.rights.allows(kind)) {
    violation(fmt::format("a {} at {:#x} went through a translation that does not allow it",
                          name_of(kind), va.value()));
  }
  if (translations_ % kSweepInterval == 0) check_everything();
}

void Checker::check_entry(const mmu::CachedTranslation& entry) {
  ++entries_;
  const pt::PageTable* table = kernel_->table_of(entry.mm);
  if (table == nullptr) {
    violation(fmt::format("{} of CPU {} holds {:#x} of address space {}, which is gone",
                          entry.where, entry.cpu.value(), entry.base.value(), entry.mm.value()));
  }
  // Leaf by leaf: each page of what the entry covers.
  const VirtAddr end = entry.base + entry.size.bytes();
  VirtAddr at = entry.base;
  do {
    const Pfn pfn = entry.pfn + ((at - entry.base) >> frames_.page().log2());
    const pt::Lookup leaf = compare(entry.where, *table, at, pfn, entry.rights);
    at = leaf.base + leaf.size.bytes();
  } while (at < end && at > entry.base);
}

void Checker::check_copy(MmId mm) {
  tlbs_.for_each_copied(mm, [this](const mmu::CachedTranslation& entry) { check_entry(entry); });
}

bool Checker::runs(MmId mm) const {
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu)
    if (const auto* const space = kernel_->current(CpuId(cpu)); space != nullptr && space->id == mm)
      return true;
  return false;
}

void Checker::check_after_event() {
  ++sweeps_;
  tlbs_.for_each_entry([this](const mmu::CachedTranslation& entry) { check_entry(entry); });
  const std::vector<MmId> all = tlbs_.copied();
  for (const MmId mm : all)
    if (runs(mm)) check_copy(mm);
  const auto first =
      static_cast<size_t>(std::upper_bound(all.begin(), all.end(), last_copy_) - all.begin());
  const uint64_t before = entries_;
  for (size_t i = 0; i < all.size() && entries_ - before < kFewEntries; ++i) {
    last_copy_ = all[(first + i) % all.size()];
    if (!runs(last_copy_)) check_copy(last_copy_);
  }
}

void Checker::check_everything() {
  ++sweeps_;
  tlbs_.for_each_translation([this](const mmu::CachedTranslation& entry) { check_entry(entry); });
}

// Of a page table, or of a copy of one.
bool Checker::is_table(Pfn pfn) const {
  const mem::FrameUse use = frames_.frame(pfn).use;
  return use == mem::FrameUse::Table || use == mem::FrameUse::SoftTlb;
}

// The frames that TLBs lead to now.
void Checker::find_reachable() {
  ++scans_;
  reachable_.assign((frames_.total_frames() + 63) / 64, 0);
  tlbs_.for_each_translation([&](const mmu::CachedTranslation& entry) {
    const uint64_t begin = entry.pfn.value();
    const uint64_t end =
        std::min(begin + (entry.size.bytes() >> frames_.page().log2()), frames_.total_frames());
    for (uint64_t pfn = begin; pfn < end; ++pfn)
      reachable_[pfn / 64] |= uint64_t{1} << (pfn % 64);
  });
  reachable_known_ = true;
}

bool Checker::may_be_reachable(Pfn first, uint64_t count) const {
  for (uint64_t pfn = first.value(); pfn < first.value() + count; ++pfn)
    if ((reachable_[pfn / 64] >> (pfn % 64) & 1) != 0) return true;
  return false;
}

void Checker::check_unreachable(Pfn first, uint64_t count) {
  ++scans_;
  tlbs_.for_each_translation([&](const mmu::CachedTranslation& entry) {
    const uint64_t pages = entry.size.bytes() >> frames_.page().log2();
    if (entry.pfn < first + count && first < entry.pfn + pages) {
      violation(fmt::format("frame {:#x} is freed while {} of CPU {} still leads to it (at {:#x})",
                            first.value(), entry.where, entry.cpu.value(), entry.base.value()));
    }
  });
}

void Checker::before_free(Pfn first, unsigned order) {
  ++frees_;
  const uint64_t count = uint64_t{1} << order;
  if (is_table(first)) {
    // No translation led there when it became one, and any that did since then would have been
    // found when it was used or swept over.
  } else if (++frees_since_access_ <= kFewFrees) {
    check_unreachable(first, count);
  } else {
    if (!reachable_known_) find_reachable();
    if (may_be_reachable(first, count)) {
      check_unreachable(first, count);
      find_reachable();  // the notes were of before a flush
    }
  }
  if (tlbs_.walk_caches_reach(frames_.address_of(first), count << frames_.page().log2())) {
    violation(fmt::format("the table in frame {:#x} is freed while a walk cache still points at it",
                          first.value()));
  }
}

void Checker::check_no_leaks(uint64_t growth) const {
  const uint64_t left = frames_.total_frames() - frames_.free_frames() - set_aside_ -
                        (growth >> frames_.page().log2());
  if (left != 0)
    violation(fmt::format("{} frames are still in use after every process has ended", left));
}

void Checker::report(stats::Report& report) const {
  report.add("check.translations", translations_, "translations",
             "Translations compared with the page table when used.");
  report.add("check.sweeps", sweeps_, "sweeps",
             "Times TLB entries were compared with their page tables.");
  report.add("check.entries", entries_, "entries", "TLB entries compared in those sweeps.",
             "check.sweeps");
  report.add("check.frees", frees_, "blocks",
             "Blocks of frames found unreachable before they were freed.");
  report.add("check.scans", scans_, "scans",
             "Times every TLB entry was looked at because of blocks that were freed.",
             "check.frees");
}

}  // namespace mmusim::sim
