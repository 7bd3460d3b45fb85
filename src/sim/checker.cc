#include "sim/checker.h"

#include "base/error.h"

namespace mmusim::sim {
namespace {

[[noreturn]] void violation(const std::string& what) {
  throw Error("check", what, "this is a defect of the simulator or of the page-table backend");
}

}  // namespace

void Checker::compare(const char* where, const pt::PageTable& table, VirtAddr va, Pfn pfn,
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
  if (!frames_.in_use(pfn)) {
    violation(fmt::format("{} translates {:#x} to frame {:#x}, which is free", where, va.value(),
                          pfn.value()));
  }
}

void Checker::check_translation(CpuId cpu, VirtAddr va, AccessKind kind,
                                const mmu::Translation& translation) {
  ++translations_;
  const pt::PageTable* table = kernel_->table_for(cpu, va);
  MMUSIM_ASSERT(table != nullptr);
  compare(name_of(kind), *table, va, translation.pfn, translation.rights);
  if (!translation.rights.allows(kind)) {
    violation(fmt::format("a {} at {:#x} went through a translation that does not allow it",
                          name_of(kind), va.value()));
  }
  if (translations_ % kSweepInterval == 0) check_everything();
}

void Checker::check_everything() {
  ++sweeps_;
  tlbs_.for_each_entry([this](const mmu::CachedTranslation& entry) {
    ++entries_;
    const pt::PageTable* table = kernel_->table_of(entry.mm);
    if (table == nullptr) {
      violation(fmt::format("{} of CPU {} holds {:#x} of address space {}, which is gone",
                            entry.where, entry.cpu.value(), entry.base.value(), entry.mm.value()));
    }
    compare(entry.where, *table, entry.base, entry.pfn, entry.rights);
  });
}

void Checker::before_free(Pfn first, unsigned order) {
  ++frees_;
  const uint64_t count = uint64_t{1} << order;
  tlbs_.for_each_entry([&](const mmu::CachedTranslation& entry) {
    const uint64_t pages = entry.size.bytes() >> frames_.page().log2();
    if (entry.pfn < first + count && first < entry.pfn + pages) {
      violation(fmt::format("frame {:#x} is freed while {} of CPU {} still leads to it (at {:#x})",
                            first.value(), entry.where, entry.cpu.value(), entry.base.value()));
    }
  });
  if (tlbs_.walk_caches_reach(frames_.address_of(first), count << frames_.page().log2())) {
    violation(fmt::format("the table in frame {:#x} is freed while a walk cache still points at it",
                          first.value()));
  }
}

void Checker::check_no_leaks() const {
  const uint64_t left = frames_.total_frames() - frames_.free_frames() - set_aside_;
  if (left != 0)
    violation(fmt::format("{} frames are still in use after every process has ended", left));
}

void Checker::report(stats::Report& report) const {
  report.add("check.translations", translations_, "translations",
             "Translations compared with the page table when used.");
  report.add("check.sweeps", sweeps_, "sweeps",
             "Times every TLB entry was compared with its page table.");
  report.add("check.entries", entries_, "entries", "TLB entries compared in those sweeps.",
             "check.sweeps");
  report.add("check.frees", frees_, "blocks",
             "Blocks of frames found unreachable before they were freed.");
}

}  // namespace mmusim::sim
