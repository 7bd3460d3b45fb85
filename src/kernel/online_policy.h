// kernel.superpage.policy=online: superpages by TLB misses (T. Romer, W. Ohlrich, A. Karlin, B.
// Bershad: Reducing TLB and memory overhead using online superpage promotion, ISCA 1995).
//
// Each miss of the last level of a TLB is charged to every superpage that would contain the page
// and is larger than what is mapped there. One whose charge reaches kernel.superpage.misses for
// each of its base pages is promoted, if kernel.superpage.populated per cent of them are there; if
// that cannot be, it is charged from nothing again. The largest comes first.
//
// Every miss is charged, also those a hardware walker serves, of which a kernel would not know, and
// also a first one, which no superpage would have spared (the paper's approx-online asks whether
// the TLB holds another page of the candidate). What counting costs is not charged to the misses.
#ifndef MMUSIM_KERNEL_ONLINE_POLICY_H_
#define MMUSIM_KERNEL_ONLINE_POLICY_H_

#include <compare>
#include <cstdint>
#include <map>

#include "kernel/core.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

class OnlinePolicy final : public SuperpagePolicy {
 public:
  explicit OnlinePolicy(Core& core) : core_(&core) {}

  void missed(AddressSpace& mm, const Vma& vma, VirtAddr va) override;
  void leaving(AddressSpace& mm, const VirtRange& range) override;

 private:
  struct Candidate {
    MmId mm;
    PageShift size;
    VirtAddr base;
    auto operator<=>(const Candidate&) const = default;
  };

  Core* core_;
  std::map<Candidate, uint64_t> charges_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_ONLINE_POLICY_H_
