// kernel.superpage.policy=reserve: superpages by reservation (J. Navarro, S. Iyer, P. Druschel, A.
// Cox: Practical, transparent operating system support for superpages, OSDI 2002; FreeBSD).
//
// The first page a fault makes in an aligned block sets frames aside for all of it
// (reservations.h): of the largest size that fits into the area and holds no page yet, but such as
// others hold too, which would be copied. Later faults there take theirs. A part of one of the
// sizes all of whose pages are there becomes a superpage; at last the whole does, and the
// reservation is done. Before an allocation fails, for frames or for another reservation, the one
// that was used longest ago gives back what nobody has touched. A reservation also ends when a part
// of it is unmapped or moved, or when one of its pages is wanted anew.
//
// A reservation reaches beyond the area where that can grow, a stack or the heap, but is not larger
// than the area is. As the paper has it, but that no page daemon demotes superpages, nor a first
// write to a clean one.
#ifndef MMUSIM_KERNEL_RESERVE_POLICY_H_
#define MMUSIM_KERNEL_RESERVE_POLICY_H_

#include "kernel/core.h"
#include "kernel/reservations.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

class ReservePolicy final : public SuperpagePolicy {
 public:
  explicit ReservePolicy(Core& core) : core_(&core) {}

  std::optional<Pfn> frame_for(AddressSpace& mm, const Vma& vma, VirtAddr page) override;
  void populated(AddressSpace& mm, const Vma& vma, VirtAddr page) override;
  void leaving(AddressSpace& mm, const VirtRange& range) override;
  bool pressure() override;

 private:
  [[nodiscard]] bool may_reserve(AddressSpace& mm, const Vma& vma, VirtAddr page,
                                 const BlockSize& size) const;
  // Null: no block there can be reserved.
  Reservation* reserve(AddressSpace& mm, const Vma& vma, VirtAddr page);
  std::optional<Pfn> frames_for(const BlockSize& block);
  bool has_own_pages(AddressSpace& mm, const VirtRange& block);
  void give_back(const Reservation& reservation);

  Core* core_;
  Reservations reservations_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_RESERVE_POLICY_H_
