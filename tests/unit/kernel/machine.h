// A machine for kernel tests: the whole kernel model on the hardware of hardware.h, accesses as a
// CPU makes them, and checks of all its accounts.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_MACHINE_H_
#define MMUSIM_TESTS_UNIT_KERNEL_MACHINE_H_

#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/linux_abi.h"
#include "kernel/entries.h"
#include "kernel/hardware.h"
#include "kernel/kernel.h"
#include "kernel/pool_page.h"
#include "kernel/syscalls.h"
#include "kernel/system.h"
#include "tests/backends.h"

namespace mmusim::kernel::testing {

enum class Result { Ok, Refused, NoMemory, Gate };

using tests::backend_names;

class Machine : public Hardware {
 public:
  // `text`: settings as in a configuration file.
  explicit Machine(const std::string& text = "", const std::string& backend_name = "mlpt",
                   PageShift huge_size = kHuge, VirtAddr mmap_upward_from = VirtAddr(0))
      : Hardware(text, backend_name, huge_size, mmap_upward_from),
        kernel(std::make_unique<Kernel>(config(), platform)) {}

  Syscalls& sys() { return kernel->syscalls(); }
  Process& process(uint32_t pid) {
    return const_cast<Process&>(kernel->system().processes().at(Pid(pid)));
  }
  AddressSpace& mm(uint32_t pid) { return *process(pid).mm; }
  const Counters& counters() const { return kernel->system().core.counters; }

  // One access as a CPU with this TLB makes it. A TLB entry that disagrees with the page table is
  // an error of the kernel's.
  Result access(trace::ThreadId thread, VirtAddr va, AccessKind kind, CpuId cpu = CpuId(0)) {
    kernel->run(cpu, thread);
    for (int tries = 0; tries < 4; ++tries) {
      const AddressSpace* space = kernel->current(cpu);
      EXPECT_EQ(tlb.active[cpu].first, space->id);
      EXPECT_EQ(tlb.active[cpu].second, space->table.get());
      mmu::FaultReason reason = mmu::FaultReason::NotPresent;
      if (const auto it = tlb.find(cpu, space->id, va); it != tlb.held.end()) {
        if (it->second.rights.allows(kind)) {
          if (writes(kind)) mark(*space, va, format.dirty_mask);
          if (writes(kind)) kernel->note_store(cpu, va);
          return Result::Ok;
        }
        reason = mmu::FaultReason::Protection;
      } else {
        const pt::Lookup found = space->table->peek(va);
        if (found.entry != pt::kNone && format.is_present(found.entry)) {
          const pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
          // The largest it may be.
          const PageShift size = leaf.hint.value_or(found.size);
          const VirtAddr base = align_down(found.base, size);
          if (leaf.rights.bits() != 0)
            tlb.held[{cpu, space->id, base}] = {leaf.pfn - (found.base - base) / kPage, leaf.rights,
                                                size};
          if (leaf.rights.allows(kind)) {
            mark(*space, va, format.accessed_mask | (writes(kind) ? format.dirty_mask : 0));
            if (writes(kind)) kernel->note_store(cpu, va);
            return Result::Ok;
          }
          reason = mmu::FaultReason::Protection;
        }
      }
      switch (kernel->fault(cpu, va, kind, reason)) {
        case FaultOutcome::Fixed:
          break;
        case FaultOutcome::Refused:
          return Result::Refused;
        case FaultOutcome::Gate:
          return Result::Gate;
        case FaultOutcome::NoMemory:
          return Result::NoMemory;
      }
    }
    ADD_FAILURE() << "the fault at 0x" << std::hex << va.value() << " is never put right";
    return Result::Refused;
  }
  // What a walker does to an entry it uses.
  static void mark(const AddressSpace& space, VirtAddr va, pt::Entry bits) {
    const pt::Lookup found = space.table->peek(va);
    if ((found.entry & bits) == bits) return;
    ASSERT_EQ(space.table->install(found.handle, found.entry, found.entry | bits), pt::Status::Ok);
  }
  Result load(trace::ThreadId t, uint64_t va) { return access(t, VirtAddr(va), AccessKind::Load); }
  Result store(trace::ThreadId t, uint64_t va) {
    return access(t, VirtAddr(va), AccessKind::Store);
  }
  Result fetch(trace::ThreadId t, uint64_t va) {
    return access(t, VirtAddr(va), AccessKind::Fetch);
  }

  // Every translation held must be one the page table still gives, with no more rights.
  void expect_no_stale_translation() {
    for (const auto& [key, held] : tlb.held) {
      const pt::PageTable* table = kernel->table_of(key.mm);
      ASSERT_NE(table, nullptr) << "the TLB holds a dead address space";
      for (uint64_t at = 0; at < held.size.bytes(); at += kPage) {
        const VirtAddr page = key.page + at;
        const pt::Lookup found = table->peek(page);
        ASSERT_TRUE(found.entry != pt::kNone && format.is_present(found.entry))
            << "stale: 0x" << std::hex << page.value();
        const pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
        ASSERT_EQ(leaf.pfn + (page - found.base) / kPage, held.pfn + at / kPage)
            << "stale frame at 0x" << std::hex << page.value();
        ASSERT_EQ(held.rights.bits() & ~leaf.rights.bits(), 0u)
            << "stale rights at 0x" << std::hex << page.value();
        ASSERT_LE(held.size, leaf.hint.value_or(found.size))
            << "stale size at 0x" << std::hex << page.value();
      }
    }
  }

  // A group's entries say the same of one aligned block, in one area.
  void expect_group(const AddressSpace& space, const Vma& vma, VirtAddr base, PageShift size) {
    ASSERT_TRUE(vma.start <= base && base + size.bytes() <= vma.end) << "across an area's border";
    std::optional<pt::LeafFields> first;
    for (uint64_t at = 0; at < size.bytes(); at += kPage) {
      const pt::Lookup found = space.table->peek(base + at);
      ASSERT_TRUE(found.entry != pt::kNone && format.is_present(found.entry)) << "a hole";
      const pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
      if (!first) first = leaf;
      ASSERT_EQ(leaf.hint, size);
      ASSERT_EQ(leaf.pfn, first->pfn + at / kPage);
      ASSERT_EQ(leaf.rights, first->rights);
      ASSERT_EQ(leaf.special, false);
    }
    ASSERT_EQ(first->pfn.value() % (size.bytes() / kPage), 0u);
  }

  bool pool_pages_are_whole() {
    for (const auto& [pid, process] : kernel->system().processes()) {
      if (process.mm == nullptr) continue;
      for (const auto& [start, vma] : process.mm->vmas.areas()) {
        if (!vma.has(kVmHugeTlb)) continue;
        const PoolPage page = pool_page_at(kernel->system().core, vma, vma.start);
        for (VirtAddr at = vma.start; at < vma.end; at += page.leaf.bytes()) {
          const VirtAddr first = align_down(at, page.size);
          if ((process.mm->table->peek(at).entry == pt::kNone) !=
              (process.mm->table->peek(first).entry == pt::kNone))
            return false;
        }
      }
    }
    return true;
  }

  // The accounts, from scratch: RSS of each space, mapping counts and references of each frame.
  void expect_accounts_agree() {
    std::map<Pfn, uint32_t> mappings;
    std::map<Pfn, uint32_t> pool_mappings;
    std::map<SlotId, uint64_t> slots;  // and who holds them
    const Core& core = kernel->system().core;
    std::set<uint64_t> shared;  // slots several address spaces use: one mapping
    std::array<uint64_t, kPageKinds> total{};
    std::set<const AddressSpace*> seen;
    uint64_t vmas = 0;
    for (const auto& [pid, process] : kernel->system().processes()) {
      if (process.mm == nullptr || !seen.insert(process.mm).second) continue;
      AddressSpace& space = *process.mm;
      std::array<uint64_t, kPageKinds> rss{};
      uint64_t inside = 0;
      uint64_t huge_leaves = 0;
      uint64_t huge_bytes = 0;
      uint64_t folio_leaves = 0;
      uint64_t groups = 0;
      std::map<uint64_t, uint64_t> deposits;  // blocks, by the bytes of each
      uint64_t deposit_bytes = 0;
      uint64_t pooled = 0;
      uint64_t pooled_pages = 0;
      uint64_t swapped = 0;
      for (const auto& [start, vma] : space.vmas.areas()) {
        ++vmas;
        const auto cursor = space.table->cursor(vma.range());
        pt::Run run;
        while (cursor->next(run)) {
          for (uint32_t i = 0; i < run.count; ++i) {
            const pt::Entry e = run.get(i);
            if (e == pt::kNone) continue;
            ++inside;
            if (is_guard(format, e)) continue;
            if (!format.is_present(e)) {
              ++swapped;
              ++slots[core.swap->slot_of(e)];
              continue;
            }
            if (vma.has(kVmHugeTlb)) {
              // All leaves of a page agree.
              const PoolPage page = pool_page_at(core, vma, run.address(i));
              ASSERT_EQ(run.size, page.leaf);
              const pt::LeafFields leaf = format.parse_leaf(e, run.size);
              const pt::Lookup first = space.table->peek(page.base);
              ASSERT_EQ(leaf.hint, page.leaf == k4K ? std::optional(page.size) : std::nullopt);
              ASSERT_EQ(leaf.pfn,
                        format.pfn_of(first.entry) + (run.address(i) - page.base) / kPage);
              ASSERT_EQ(leaf.rights, format.parse_leaf(first.entry, run.size).rights);
              if (run.address(i) != page.base) continue;
              ++pooled;
              pooled_pages += page.size.bytes() / kPage;
              ++pool_mappings[leaf.pfn];
              continue;
            }
            if (run.size != k4K) {
              ++huge_leaves;
              huge_bytes += run.size.bytes();
              ASSERT_TRUE(vma.start <= run.address(i) &&
                          run.address(i) + run.size.bytes() <= vma.end)
                  << "a leaf across an area's border";
              if (vma.is_anonymous()) {
                for (const pt::TableBlocks& kept : space.table->split_reserve(run.size, k4K)) {
                  deposits[kept.bytes] += kept.count;
                  deposit_bytes += kept.count * kept.bytes;
                }
              } else {
                ASSERT_EQ(run.size, huge);
                ++folio_leaves;
              }
            }
            if (format.is_special(e)) continue;
            const auto hint = format.parse_leaf(e, run.size).hint;
            if (hint) {
              const VirtAddr base = align_down(run.address(i), *hint);
              if (base == run.address(i)) ++groups;
              expect_group(space, vma, base, *hint);
            }
            for (uint64_t part = 1; part < run.size.bytes() / kPage; ++part) {
              ++mappings[format.pfn_of(e) + part];
              ++rss[static_cast<unsigned>(core.files.kind_of(vma))];
            }
            const uint64_t place = space.table->peek(run.address(i)).handle.place;
            if (!run.shared || shared.insert(place).second) ++mappings[format.pfn_of(e)];
            const bool anon = frames->frame(format.pfn_of(e)).use == mem::FrameUse::Anonymous;
            ++rss[static_cast<unsigned>(anon ? PageKind::Anonymous
                                             : kernel->system().core.files.kind_of(vma))];
          }
        }
      }
      ASSERT_EQ(inside, space.table->stats().leaves) << "leaves outside every area";
      ASSERT_EQ(huge_leaves, space.huge_leaves);
      ASSERT_EQ(folio_leaves, space.folio_leaves);
      ASSERT_EQ(groups, space.groups);
      ASSERT_EQ(swapped, space.swapped);
      ASSERT_EQ(space.hugetlb_leaves, pooled);
      ASSERT_EQ(space.hugetlb_pages, pooled_pages);
      ASSERT_EQ(huge_bytes, space.huge_leaf_bytes);
      for (const auto& [bytes, deposit] : space.deposits)
        ASSERT_EQ(deposit.count, deposits[bytes]);
      ASSERT_EQ(space.deposit_bytes, deposit_bytes);
      for (unsigned k = 0; k < kPageKinds; ++k) {
        ASSERT_EQ(rss[k], space.rss(static_cast<PageKind>(k))) << "kind " << k;
        total[k] += rss[k];
      }
    }
    for (unsigned k = 0; k < kPageKinds; ++k)
      ASSERT_EQ(total[k], counters().rss[k]);
    ASSERT_EQ(vmas, counters().vmas);
    if (core.swap != nullptr) {
      for (const FileId file : core.cache.all())
        for (const auto& [index, slot] : core.cache.file(file).away)
          if (slot != SlotId(0)) ++slots[slot];
      ASSERT_EQ(slots.size(), core.swap->in_use());
      for (const auto& [slot, holders] : slots)
        ASSERT_EQ(core.swap->holders(slot), holders) << "slot " << slot.value();
    }
    // No page lacks a leaf.
    ASSERT_TRUE(pool_pages_are_whole());
    for (const auto& [pfn, count] : pool_mappings)
      ASSERT_EQ(frames->frame(pfn).mappings, count);
    uint64_t anonymous = 0;
    for (const auto& [pfn, count] : mappings) {
      const mem::Frame& frame = frames->frame(pfn);
      ASSERT_EQ(core.counts.mappings(pfn), count);
      const bool anon = frame.use == mem::FrameUse::Anonymous;
      ASSERT_EQ(core.counts.references(pfn), anon ? count : count + 1);
      if (anon && core.counts.is_exclusive(pfn)) {
        ASSERT_EQ(count, 1u);
      }
      anonymous += anon ? 1 : 0;
    }
    ASSERT_EQ(anonymous, frames->frames_in(mem::FrameUse::Anonymous)) << "leaked frames";
  }

  // Ends everything; no frame may be left over.
  void expect_nothing_leaks() {
    kernel->shut_down();
    EXPECT_EQ(frames->free_frames(), free_at_start);
    EXPECT_EQ(tables->bytes_in_use(), 0u);
    EXPECT_EQ(counters().vmas, 0u);
    EXPECT_EQ(counters().spaces, 0u);
    EXPECT_TRUE(tlb.held.empty());
    EXPECT_EQ(counters().swapped, 0u);
    const auto& swap = kernel->system().core.swap;
    EXPECT_EQ(swap == nullptr ? 0 : swap->in_use(), 0u);
  }

  const uint64_t free_at_start = frames->free_frames();
  std::unique_ptr<Kernel> kernel;
};

inline constexpr trace::ThreadId thread_of(uint32_t pid, uint32_t tid = 0) {
  return {Pid(pid), Tid(tid == 0 ? pid : tid)};
}

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_MACHINE_H_
