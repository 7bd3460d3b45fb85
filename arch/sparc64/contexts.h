// Context numbers: 13 bits, by which the TLBs know an address space.
//
// Given out from the one after the last on to the end, then from 1. A number is free again when its
// address space ends; what is left of it in a TLB goes when the next owner first runs on that CPU.
// When none is free a new *version* begins: all numbers are free but those of the address spaces
// that are running at that moment, which keep theirs; all others must take a new one when they next
// run. (Linux 4.13, arch/sparc/mm/init_64.c: get_new_mmu_context, mmu_context_wrap.) Number 0 is
// the kernel's. Not thread-safe.
#ifndef MMUSIM_ARCH_SPARC64_CONTEXTS_H_
#define MMUSIM_ARCH_SPARC64_CONTEXTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arch/sparc64/formats.h"
#include "base/types.h"
#include "mmu/cpus.h"

namespace mmusim::sparc64 {

class Contexts {
 public:
  static constexpr Context kCount = Context{1} << kContextBits;

  // Nothing: there is none left of this version.
  std::optional<Context> take(MmId mm);
  // A new version; `kept` stay given out.
  void wrap(std::span<const Context> kept);
  void release(Context context) { owners_[context] = mmu::kNobody; }

  // mmu::kNobody: it is free.
  [[nodiscard]] MmId owner(Context context) const { return owners_[context]; }
  [[nodiscard]] uint64_t version() const { return version_; }

 private:
  [[nodiscard]] Context free_from(Context from, Context end) const;

  std::vector<MmId> owners_ = std::vector<MmId>(kCount, mmu::kNobody);
  Context last_ = 0;
  uint64_t version_ = 1;
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_CONTEXTS_H_
