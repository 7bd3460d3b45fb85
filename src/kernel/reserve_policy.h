// kernel.superpage.policy=reserve: superpages by reservation (J. Navarro, S. Iyer, P. Druschel, A.
// Cox: Practical, transparent operating system support for superpages, OSDI 2002; FreeBSD).
//
// The first page a fault makes in an aligned block sets frames aside for all of it
// (reservations.h): of the largest size that fits into the area and holds no page yet, but such as
// others hold too, which would be copied. Later faults there take theirs. A part of one of the
// sizes all of whose pages are there becomes a superpage; at last the whole does. A page of it that
// is given up (advised away, unmapped, reclaimed) leaves its frame where it is, and what is faulted
// in there again makes the superpage whole again: it is promoted anew. So it is when its pages have
// the same rights again. Before an allocation fails, for frames or for another reservation, the one
// that was used longest ago gives back what nobody uses. A reservation ends when no page of it is
// in use, when a part of it is moved, when one of its pages is wanted anew while somebody else has
// the old one, or with its address space.
//
// FreeBSD tries again at the next fault after an mprotect; here none follows one that gives rights
// back, so it is tried at once. A reservation reaches beyond the area where that can grow, a stack
// or the heap, but is not larger than the area is. As the paper has it, but that no page daemon
// demotes superpages, nor a first write to a clean one.
#ifndef MMUSIM_KERNEL_RESERVE_POLICY_H_
#define MMUSIM_KERNEL_RESERVE_POLICY_H_

#include "kernel/core.h"
#include "kernel/reservations.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

class ReservePolicy final : public SuperpagePolicy {
 public:
  explicit ReservePolicy(Core& core);
  ~ReservePolicy() override;
  ReservePolicy(const ReservePolicy&) = delete;
  ReservePolicy& operator=(const ReservePolicy&) = delete;

  std::optional<Pfn> frame_for(AddressSpace& mm, const Vma& vma, VirtAddr page) override;
  void populated(AddressSpace& mm, const Vma& vma, VirtAddr page) override;
  void leaving(AddressSpace& mm, const VirtRange& range) override;
  void reprotected(AddressSpace& mm, const Vma& vma, const VirtRange& range) override;
  bool pressure() override;

 private:
  [[nodiscard]] bool may_reserve(AddressSpace& mm, const Vma& vma, VirtAddr page,
                                 const BlockSize& size) const;
  // Null: no block there can be reserved.
  Reservation* reserve(AddressSpace& mm, const Vma& vma, VirtAddr page);
  std::optional<Pfn> frames_for(const BlockSize& block);
  bool has_own_pages(AddressSpace& mm, const VirtRange& block);
  void give_back(const Reservation& reservation);
  // Nobody uses the frame any more: whether its reservation goes on and has it back.
  bool take_back(Pfn pfn);
  // Of what is in the block around `page`. Counted.
  void promote(AddressSpace& mm, VirtAddr page, const BlockSize& size);

  Core* core_;
  Reservations reservations_;
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_RESERVE_POLICY_H_
