#include "kernel/scan_policy.h"

#include <algorithm>

#include "kernel/promotion.h"

namespace mmusim::kernel {

void ScanPolicy::ran(uint64_t instructions) {
  time_ += instructions;
  while (time_ >= next_scan_) {
    next_scan_ += core_->settings.superpage_scan_interval;
    scan();
  }
}

// To the end of the last address space at most; the next begins with the first.
void ScanPolicy::scan() {
  uint64_t budget = core_->settings.superpage_scan_pages;
  auto next = core_->spaces.lower_bound(space_);
  if (next == core_->spaces.end() || next->first != space_) place_ = VirtAddr(0);
  if (next == core_->spaces.end()) next = core_->spaces.begin();
  for (; next != core_->spaces.end(); ++next) {
    space_ = next->first;
    if (scan_space(*next->second, place_, budget)) return;
    place_ = VirtAddr(0);
  }
  space_ = MmId(0);
}

bool ScanPolicy::scan_space(AddressSpace& mm, VirtAddr from, uint64_t& budget) {
  const std::vector<BlockSize>& sizes = core_->sizes.candidates;
  for (const Vma* vma = mm.vmas.find_from(from); vma != nullptr; vma = mm.vmas.next(*vma)) {
    const auto fitting = std::find_if(sizes.rbegin(), sizes.rend(), [&](const BlockSize& size) {
      return may_promote(mm, *vma, align_up(vma->start, size.size), size);
    });
    if (fitting == sizes.rend()) continue;
    const PageShift largest = fitting->size;
    const auto count = static_cast<size_t>(sizes.rend() - fitting);
    for (VirtAddr at = std::max(from, vma->start); at < vma->end;) {
      if (budget == 0) {
        place_ = at;
        return true;
      }
      const VirtRange block{std::max(align_down(at, largest), vma->start),
                            std::min(align_down(at, largest) + largest.bytes(), vma->end)};
      const Survey survey(*core_, mm, block);
      core_->counters.scanned_pages += survey.pages();
      budget -= std::min(budget, std::max<uint64_t>(survey.pages(), 1));  // an empty block is one
      promote_in(mm, *vma, survey, block, count);
      at = block.end;
    }
  }
  return false;
}

// Of the first so many sizes: the largest that the block can be made of, part by part.
void ScanPolicy::promote_in(AddressSpace& mm, const Vma& vma, const Survey& survey,
                            const VirtRange& block, size_t sizes) {
  if (sizes == 0) return;
  const BlockSize& size = core_->sizes.candidates[sizes - 1];
  for (VirtAddr at = block.begin; at < block.end;) {
    const VirtAddr next = align_down(at, size.size) + size.size.bytes();
    const VirtRange part{at, std::min(next, block.end)};
    at = next;
    bool done = false;
    if (part.bytes() == size.size.bytes() && may_promote(mm, vma, part.begin, size)) {
      const Survey::Part there = survey.part(part.begin, size.size);
      done = there.promoted || there.pages == 0 ||
             promote(*core_, mm, vma, survey, part.begin, size) == Promotion::Done;
    }
    if (!done) promote_in(mm, vma, survey, part, sizes - 1);
  }
}

}  // namespace mmusim::kernel
