// Linux's numbers of address spaces: the lowest that is free, from 1 on, and at its end an address
// space gives its own back (Linux 3.12, arch/powerpc/mm/mmu_context_hash64.c). They are never begun
// anew: when all are taken there is none. Not thread-safe.
#ifndef MMUSIM_ARCH_PPC64_CONTEXTS_H_
#define MMUSIM_ARCH_PPC64_CONTEXTS_H_

#include <optional>
#include <set>
#include <vector>

#include "arch/ppc64/formats.h"
#include "base/types.h"
#include "mmu/cpus.h"

namespace mmusim::ppc64 {

class Contexts {
 public:
  // None: kLastUserContext is taken too.
  std::optional<Context> take(MmId mm) {
    if (!returned_.empty()) {
      const Context context = *returned_.begin();
      returned_.erase(returned_.begin());
      owners_[context] = mm;
      return context;
    }
    if (owners_.size() > kLastUserContext) return std::nullopt;
    owners_.push_back(mm);
    return static_cast<Context>(owners_.size() - 1);
  }
  // REQUIRES: somebody has it.
  void release(Context context) {
    owners_[context] = mmu::kNobody;
    returned_.insert(context);
  }
  [[nodiscard]] MmId owner(Context context) const {
    return context < owners_.size() ? owners_[context] : mmu::kNobody;
  }

 private:
  std::vector<MmId> owners_{mmu::kNobody};  // by context; nobody has 0
  std::set<Context> returned_;
};

}  // namespace mmusim::ppc64

#endif  // MMUSIM_ARCH_PPC64_CONTEXTS_H_
