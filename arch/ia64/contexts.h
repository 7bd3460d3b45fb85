// Context numbers, from which Linux makes region identifiers: (context << 3) | region.
//
// Given out from low to high and not used again until there are none left. Then those given up
// since become free at once, and every CPU must empty its TLBs before it next loads a context
// (Linux: wrap_mmu_context; arch/ia64/include/asm/mmu_context.h, arch/ia64/mm/tlb.c). Context 0 is
// the kernel's; after a wrap the search begins at 300. Not thread-safe.
#ifndef MMUSIM_ARCH_IA64_CONTEXTS_H_
#define MMUSIM_ARCH_IA64_CONTEXTS_H_

#include <cstdint>
#include <vector>

#include "arch/ia64/mmu.h"
#include "base/types.h"
#include "mmu/cpus.h"

namespace mmusim::ia64 {

class Contexts {
 public:
  explicit Contexts(unsigned rid_bits) : count_(Context{1} << (rid_bits - 3)) {}

  struct Given {
    Context context = 0;
    bool wrapped = false;
  };
  // Errors: Error when as many address spaces are alive as there are contexts.
  Given give(MmId mm);
  // Free after the next wrap.
  void give_up(Context context);
  [[nodiscard]] MmId owner(Context context) const {
    return context < owners_.size() ? owners_[context] : mmu::kNobody;
  }
  [[nodiscard]] uint64_t wraps() const { return wraps_; }

 private:
  enum class State : uint8_t { Free, Used, GivenUp };
  static constexpr Context kFirstAfterWrap = 300;
  [[nodiscard]] Context free_from(Context context) const;

  Context count_;
  std::vector<State> states_{State::Used};  // as far as contexts have been given out; then Free
  std::vector<MmId> owners_{mmu::kNobody};  // likewise
  Context next_ = 1;
  uint64_t wraps_ = 0;
};

}  // namespace mmusim::ia64

#endif  // MMUSIM_ARCH_IA64_CONTEXTS_H_
