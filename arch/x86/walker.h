// The hardware page walker: mmu::RadixWalker over x86's tables, and what PAE has besides.
//
// PAE's PDPTEs are in registers (Intel SDM vol. 3A, 4.4.1). load_pdptes() reads all four, which is
// what MOV CR3 does; a walk goes by the registers, whatever has happened to the words in memory
// since. (On hardware reserved bits make MOV CR3 itself fault; here the walk finds them malformed.)
//
// Not thread-safe.
#ifndef MMUSIM_ARCH_X86_WALKER_H_
#define MMUSIM_ARCH_X86_WALKER_H_

#include <array>
#include <cstdint>
#include <functional>

#include "arch/x86/options.h"
#include "mem/frames.h"
#include "mmu/miss_path.h"
#include "mmu/radix_walker.h"

namespace mmusim::x86 {

// How x86 reads its tables (4.3 to 4.5): A in every entry, D in leaves, both set by the walker; R/W
// and U/S of all levels and-ed, XD or-ed.
mmu::RadixFormat radix_format(const Options& options);

// Who makes the access, and whose tables the root is of.
enum class Walks : uint8_t {
  Program,  // the program, its own
  Gate,     // the program, the kernel's
  Kernel,   // the kernel, its own
};

class Walker {
 public:
  // `path` is told each reference; all must outlive it.
  Walker(const Options& options, mem::FrameMemory& frames, mmu::MissPath& path);

  // REQUIRES: paging.has_address(va). With PAE the kernel's `root` is the page directory that the
  // last PDPTE register leads to, whatever is loaded.
  const mmu::WalkResult& walk(PhysAddr root, VirtAddr va, Pcid pcid, AccessKind kind,
                              Walks walks = Walks::Program) {
    const mmu::Privilege who =
        walks == Walks::Kernel ? mmu::Privilege::Kernel : mmu::Privilege::User;
    if (!pae_ || walks != Walks::Program) return radix_.walk(root, va, pcid, kind, who);
    mmu::WalkStart start = radix_.begin(root, va, pcid);
    if (radix_.from_root(start)) {
      const mmu::FaultReason fault = pass_pdpte(va, start);
      if (fault != mmu::FaultReason::None) return radix_.refuse(fault);
    }
    return radix_.go_on(start, va, kind, who);
  }

  // The same of the program's own tables, where the path is not watched: with PAE, and without.
  [[gnu::noinline]] const mmu::WalkResult& walk_plain_pae(PhysAddr root, VirtAddr va, Pcid pcid,
                                                          AccessKind kind);
  [[gnu::always_inline]] const mmu::WalkResult& walk_plain(PhysAddr root, VirtAddr va, Pcid pcid,
                                                           AccessKind kind) {
    return radix_.go_on_unwatched(radix_.begin<false>(root, va, pcid), va, kind);
  }
  [[nodiscard]] bool is_pae() const { return pae_; }

  // With PAE, to be called for each MOV CR3; nothing otherwise. Errors: Error when `root` is not
  // where CR3 could say, below 4 GiB.
  void load_pdptes(PhysAddr root);
  // Whether the words in memory differ from the registers. Never without PAE.
  [[nodiscard]] bool pdptes_stale(PhysAddr root) const { return pae_ && pdptes_differ(root); }
  // Visits the tables the registers lead to.
  void for_each_pdpte(const std::function<void(PhysAddr)>& visit) const;
  // Entries read into the registers; not among the loads of walks.
  [[nodiscard]] uint64_t pdpte_loads() const { return pdpte_loads_; }

  [[nodiscard]] mmu::WalkCaches& caches() { return radix_.caches(); }
  [[nodiscard]] const mmu::WalkCaches& caches() const { return radix_.caches(); }
  [[nodiscard]] mmu::RadixWalkCounters counters() const { return radix_.counters(); }

 private:
  [[nodiscard]] bool pdptes_differ(PhysAddr root) const;
  [[nodiscard]] mmu::FaultReason pass_pdpte(VirtAddr va, mmu::WalkStart& start);

  mem::FrameMemory* frames_;
  mmu::MissPath* path_;
  bool pae_;
  std::array<uint64_t, kPdptes> pdptes_{};
  uint64_t pdpte_loads_ = 0;
  mmu::RadixWalker radix_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_WALKER_H_
