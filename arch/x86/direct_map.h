// The kernel's mapping of physical memory, through which it reads and writes page tables and pages,
// as Linux has it, without randomisation.
//
// **x86-64: all of it** (the direct map, Documentation/arch/x86/x86_64/mm.rst). Global pages of 1G,
// or of 2M where paging has none of 1G, from 0xffff888000000000 on (with five levels
// 0xff11000000000000).
//
// **i386: lowmem**, the first 896 MiB (MAXMEM, include/asm-i386/page.h: the kernel's GiB but for
// the 128 MiB of VMALLOC_RESERVE), in global pages of 4M, with PAE 2M, from PAGE_OFFSET on, 3 GiB
// (kernel_physical_mapping_init(), arch/x86/mm/init_32.c). What lies above, highmem, is mapped for
// the moment (kmap_atomic(), arch/x86/mm/highmem_32.c): each CPU has slots of its own among the
// kernel's fixed addresses (FIX_KMAP_BEGIN, arch/x86/include/asm/fixmap.h), the first of which is
// taken, by a global 4K PTE in a table that lies in lowmem; when the access is done the PTE is
// cleared and the page flushed by INVLPG (kpte_clear_flush()). Mmu does that, slot() says where.
//
// The tables are in simulated memory. Linux has the uppermost of their entries in each address
// space's highest table; here one highest table serves all, so that walks read as many words. With
// PAE the root is the page directory of the fourth GiB, to which each address space's last PDPTE
// leads.
#ifndef MMUSIM_ARCH_X86_DIRECT_MAP_H_
#define MMUSIM_ARCH_X86_DIRECT_MAP_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "arch/x86/options.h"
#include "base/types.h"
#include "mem/frames.h"

namespace mmusim::x86 {

// What of i386's memory the kernel maps for good.
inline constexpr uint64_t kLowmem = uint64_t{896} << 20;

class DirectMap {
 public:
  // Errors: Error when there is no memory for its tables. REQUIRES: cpus > 0.
  DirectMap(const Options& options, mem::FrameMemory& frames, unsigned cpus = 1);

  [[nodiscard]] PhysAddr root() const { return root_; }
  [[nodiscard]] VirtAddr base() const { return base_; }

  // Whether that is mapped for good.
  [[nodiscard]] bool maps(PhysAddr address) const {
    return paging_.is_long() || address.value() < kLowmem;
  }
  // Where the kernel finds what is at that physical address. REQUIRES: maps(address).
  [[nodiscard]] VirtAddr of(PhysAddr address) const { return base_ + address.value(); }

  // Where a CPU maps a page of highmem for the moment.
  struct Slot {
    VirtAddr page;
    PhysAddr entry;  // of its PTE; in lowmem
  };
  // REQUIRES: i386.
  [[nodiscard]] const Slot& slot(CpuId cpu) const { return slots_[cpu.value()]; }
  // Writes that PTE, for the page that has the address or (none) for nothing; returns what was
  // written.
  uint64_t put(const Slot& slot, std::optional<PhysAddr> there);

  // A page of the kernel's that programs may use, for good: the fixed address of i386's old vdso.
  // `entry`: its leaf.
  void add_user_page(VirtAddr page, uint64_t entry);

  // Whether the kernel has a translation of its own there, as no program has.
  [[nodiscard]] bool is_kernels(VirtAddr va) const;

 private:
  // A leaf of the kernel's for data.
  [[nodiscard]] uint64_t leaf(PhysAddr page, unsigned level) const;
  void write(PhysAddr at, uint64_t entry);
  [[nodiscard]] uint64_t read(PhysAddr at) const;
  // Where the entry for `va` at `level` is; makes the tables above it where there are none, and
  // lets programs pass through them if `user`.
  PhysAddr place(VirtAddr va, unsigned level, bool user = false);
  PhysAddr new_table();

  Paging paging_;
  mem::FrameMemory& frames_;
  VirtAddr base_;
  PhysAddr root_;
  std::vector<Slot> slots_;  // by CPU
  std::vector<VirtAddr> user_pages_;
};

}  // namespace mmusim::x86

#endif  // MMUSIM_ARCH_X86_DIRECT_MAP_H_
