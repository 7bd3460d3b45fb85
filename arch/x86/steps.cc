#include "arch/x86/steps.h"

#include <cstddef>
#include <iterator>

namespace mmusim::x86 {
namespace {

constexpr mmu::Step kSteps[] = {
    {"walk", "The hardware walks the page table", 0},
    {"dirty_assist", "A store found D = 0: the hardware walks again to set it", 0},
    {"shadow.fault", "Page fault because the copy the hardware walks lacks the page", 60, true},
    {"shadow.lookup", "The handler looks the page up in the kernel's page table", 10},
    {"shadow.fill", "The handler puts the page into the copy", 30},
    {"shadow.join", "The handler takes a table of another copy, as the kernel's are shared", 40},
    {"shadow.prefill", "... and a page beside it that has been used already", 12},
    mmu::page_fault("Page fault: into the kernel's page-fault code and back", 60, true),
    {"direct_walk", "The hardware walks the kernel's tables, for an access of the kernel's", 0},
    {"kmap", "The kernel maps a page above its own memory, for the moment", 15, false, true},
    {"kunmap", "The kernel is done with it: PTE cleared, INVLPG", 15, false, true},
};

}  // namespace

std::span<const mmu::Step> steps(const Options& options) {
  const bool highmem = options.direct_map && !options.paging.is_long();
  return std::span(kSteps).first(highmem ? std::size(kSteps) : size_t{kKmapStep});
}

}  // namespace mmusim::x86
