// A translation storage buffer: the direct-mapped cache of TTEs in memory that the miss handlers
// look up before they walk the page table.
//
// An entry is a tag (VA 63:22) and a TTE's data word. The index is the address above the TSB's page
// size: bits 13 and up for the one of 8K pages, 22 and up for the one of 4M pages. With at least
// 512 entries tag and index together tell pages of 8K apart. A larger page may be cached by an 8K
// index too, once for each 8K of it that was touched. Each address space has its own, so the
// context in the tag is 0.
//
// References are those of Linux 3.17, arch/sparc/kernel/tsb.S: a probe is one 16-byte load, an
// insertion a load, a compare-and-swap and two stores; a flush a load, and a compare-and-swap if
// the tag was the page's. Where the TSB is read by virtual addresses, a locked TLB entry of the
// smallest page that holds it maps it. Memory is taken from and given back to the frame allocator.
// Not thread-safe.
#ifndef MMUSIM_ARCH_SPARC64_TSB_H_
#define MMUSIM_ARCH_SPARC64_TSB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "arch/sparc64/formats.h"
#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/miss_path.h"

namespace mmusim::sparc64 {

class Tsb {
 public:
  // Of 512 << `code` entries, all invalid, in memory owned by `owner`; null when there is none.
  // `map`: the virtual address it is mapped at; none: read by physical addresses.
  static std::unique_ptr<Tsb> make(mem::FrameMemory& frames, MmId owner, unsigned code,
                                   PageShift page, std::optional<VirtAddr> map);
  ~Tsb();
  Tsb(const Tsb&) = delete;
  Tsb& operator=(const Tsb&) = delete;

  [[nodiscard]] uint64_t entries() const { return tsb::kLeastEntries << code_; }
  [[nodiscard]] uint64_t bytes() const { return tsb::bytes_of(code_); }
  [[nodiscard]] unsigned code() const { return code_; }
  [[nodiscard]] PhysAddr base() const { return base_; }
  [[nodiscard]] PhysAddr entry_of(VirtAddr va) const {
    return base_ + (va.value() >> page_.log2() & (entries() - 1)) * tsb::kEntryBytes;
  }

  // What the TSB register holds: base, virtual or physical, and size code.
  [[nodiscard]] uint64_t register_value() const;
  // The locked entry that maps it. REQUIRES: it is mapped.
  [[nodiscard]] VirtAddr mapped_at() const { return *map_; }
  [[nodiscard]] PageShift mapping_size() const;
  [[nodiscard]] uint64_t mapping_tte() const;

  // The entry of `va` will be looked at: asks the host for it. Nothing simulated changes.
  [[gnu::always_inline]] void expect(VirtAddr va) const {
    __builtin_prefetch(frames_->words(entry_of(va)));
  }
  // A handler's look at the entry of `va`: its TTE, if the tag is the page's.
  std::optional<uint64_t> probe(VirtAddr va, mmu::MissPath& path) const;
  // A handler's, or the kernel's: the entry of `va`, whatever was there.
  void insert(VirtAddr va, uint64_t tte, mmu::MissPath& path);

  // --- The kernel's. The entries of all of the page at `va` become invalid; how many were its.
  uint64_t flush(VirtAddr va, PageShift size, mem::ReferenceSink& sink);
  // The valid entries of `old`, at their places here (copy_tsb); how many. REQUIRES: same page
  // size.
  uint64_t copy(const Tsb& old, mem::ReferenceSink& sink);
  // The stores that made all entries invalid.
  void report_init(mem::ReferenceSink& sink) const;
  // At once, without a reference: the address space is dead.
  void clear();

  void for_each(const std::function<void(VirtAddr va, uint64_t tte)>& visit) const;

 private:
  Tsb(mem::FrameMemory& frames, PhysAddr base, unsigned code, PageShift page,
      std::optional<VirtAddr> map)
      : frames_(&frames), base_(base), code_(code), page_(page), map_(map) {}

  [[nodiscard]] uint64_t& word(PhysAddr address) { return *frames_->words(address); }
  [[nodiscard]] uint64_t word(PhysAddr address) const { return *frames_->words(address); }
  // The mapping's virtual address of a place in the TSB, if there is one.
  [[nodiscard]] std::optional<VirtAddr> through(PhysAddr address) const;

  mem::FrameMemory* frames_;
  PhysAddr base_;
  unsigned code_;
  PageShift page_;
  std::optional<VirtAddr> map_;
};

}  // namespace mmusim::sparc64

#endif  // MMUSIM_ARCH_SPARC64_TSB_H_
