// kernel.superpage.policy=promote: superpages by scans in the background (Linux: khugepaged,
// mm/khugepaged.c).
//
// Every kernel.superpage.scan_interval instructions a scan goes on where the last one stopped,
// through all address spaces, for kernel.superpage.scan_pages base pages: of each aligned block,
// the largest size first, that has kernel.superpage.populated per cent of its pages it makes a
// superpage. Blocks with pages others hold too, in swap space, or with guards are left. Time passes
// between batches of a trace, so that a scan comes up to one late; its own work takes none.
//
// Unlike khugepaged: of any size; it does not ask whether a page was used lately; and pages go in
// place if they lie so.
#ifndef MMUSIM_KERNEL_SCAN_POLICY_H_
#define MMUSIM_KERNEL_SCAN_POLICY_H_

#include <cstddef>
#include <cstdint>

#include "kernel/core.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

class Survey;

class ScanPolicy final : public SuperpagePolicy {
 public:
  explicit ScanPolicy(Core& core)
      : core_(&core), next_scan_(core.settings.superpage_scan_interval) {}

  void ran(uint64_t instructions) override;

 private:
  void scan();
  // From `from` on in one address space; false: its end was reached.
  bool scan_space(AddressSpace& mm, VirtAddr from, uint64_t& budget);
  void promote_in(AddressSpace& mm, const Vma& vma, const Survey& survey, const VirtRange& block,
                  size_t sizes);

  Core* core_;
  uint64_t time_ = 0;  // instructions
  uint64_t next_scan_;
  MmId space_{0};  // where the next scan begins
  VirtAddr place_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SCAN_POLICY_H_
