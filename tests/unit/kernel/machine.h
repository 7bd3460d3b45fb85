// A machine for kernel tests: simulated memory, an MLPT with x86-64's shape but entries of a format
// of its own, and a TLB that never forgets anything by itself. The TLB is the judge: whatever it
// still holds after a flush was due is a stale translation, and a frame that goes free while it is
// in there is a use after free.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_MACHINE_H_
#define MMUSIM_TESTS_UNIT_KERNEL_MACHINE_H_

#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "base/bits.h"
#include "config/schema.h"
#include "kernel/guard.h"
#include "kernel/kernel.h"
#include "kernel/linux_abi.h"
#include "kernel/syscalls.h"
#include "kernel/system.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::kernel::testing {

inline constexpr uint64_t kPage = 4096;
inline constexpr PageShift k4K{12};
inline constexpr PageShift kHuge{21};

// Entries like nobody's hardware: flags at the top, the frame number at the bottom, and a bit that
// denies stores instead of one that allows them.
class ToyFormat final : public pt::EntryFormat {
 public:
  static constexpr uint64_t kPresent = uint64_t{1} << 63, kRead = uint64_t{1} << 62,
                            kNoWrite = uint64_t{1} << 61, kExec = uint64_t{1} << 60,
                            kAccessed = uint64_t{1} << 59, kDirty = uint64_t{1} << 58,
                            kSpecial = uint64_t{1} << 57, kTable = uint64_t{1} << 56;
  ToyFormat() {
    present_mask = kPresent;
    accessed_mask = kAccessed;
    dirty_mask = kDirty;
    special_mask = kSpecial;
    no_write_mask = kNoWrite;
    pfn_mask = (uint64_t{1} << 40) - 1;
  }
  pt::Entry make_leaf(const pt::LeafFields& f) const override {
    return with_rights(kPresent | f.pfn.value() | (f.accessed ? kAccessed : 0) |
                           (f.dirty ? kDirty : 0) | (f.special ? kSpecial : 0),
                       f.rights);
  }
  pt::LeafFields parse_leaf(pt::Entry e, PageShift size) const override {
    unsigned bits = ((e & kRead) != 0 ? unsigned{Rights::kRead} : 0u) |
                    ((e & kNoWrite) == 0 ? unsigned{Rights::kWrite} : 0u) |
                    ((e & kExec) != 0 ? unsigned{Rights::kExec} : 0u);
    if (bits != 0) bits |= Rights::kUser;
    return {.pfn = pfn_of(e),
            .size = size,
            .rights = Rights(bits),
            .accessed = is_accessed(e),
            .dirty = is_dirty(e),
            .special = is_special(e)};
  }
  pt::Entry with_rights(pt::Entry e, Rights r) const override {
    e &= ~(kRead | kNoWrite | kExec);
    if (r.has(Rights::kRead)) e |= kRead;
    if (!r.has(Rights::kWrite)) e |= kNoWrite;
    if (r.has(Rights::kExec)) e |= kExec;
    return e;
  }
  pt::Entry make_table(PhysAddr next, PageShift /*covers*/) const override {
    return kPresent | kTable | next.value() >> 12;
  }
  PhysAddr table_address(pt::Entry e) const override { return PhysAddr((e & pfn_mask) << 12); }
  bool is_leaf(pt::Entry e, PageShift size) const override {
    return size == k4K || (e & kTable) == 0;
  }
  std::string describe(pt::Entry e, PageShift /*size*/) const override {
    return fmt::format("{:#x}", e);
  }
};

// Holds every translation it was ever given until it is told to drop it.
class HoardingTlb final : public mmu::TlbMaintenance {
 public:
  struct Key {
    CpuId cpu;
    MmId mm;
    VirtAddr page;
    auto operator<=>(const Key&) const = default;
  };
  struct Held {
    Pfn pfn;
    Rights rights;
    PageShift size = k4K;  // of the leaf; `page` is its start

    [[nodiscard]] uint64_t frames() const { return size.bytes() / kPage; }
  };
  std::map<Key, Held> held;
  PageShift huge = kHuge;
  // What a CPU looks an address up by.
  std::map<Key, Held>::iterator find(CpuId cpu, MmId mm, VirtAddr va) {
    const auto small = held.find({cpu, mm, align_down(va, k4K)});
    if (small != held.end() || align_down(va, k4K) == align_down(va, huge)) return small;
    const auto large = held.find({cpu, mm, align_down(va, huge)});
    return large != held.end() && large->second.size == huge ? large : held.end();
  }
  std::map<CpuId, std::pair<MmId, const pt::PageTable*>> active;
  uint64_t range_flushes = 0, page_flushes = 0, mm_flushes = 0, local_flushes = 0;
  VirtRange last_range;
  bool last_freed_tables = false;
  bool last_code = false;  // of a page
  mmu::RangeFlush last_why = mmu::RangeFlush::Unmap;

  std::map<MmId, std::pair<uint64_t, uint64_t>> told;  // by resident()

  bool activate(CpuId cpu, MmId mm, pt::PageTable& table) override {
    active[cpu] = {mm, &table};
    return true;
  }
  using mmu::TlbMaintenance::flush_range;
  void flush_range(MmId mm, VirtRange range, PageShift, bool freed_tables,
                   mmu::RangeFlush why) override {
    ++range_flushes;
    last_range = range;
    last_freed_tables = freed_tables;
    last_why = why;
    std::erase_if(held, [&](const auto& e) {
      return e.first.mm == mm && range.begin < e.first.page + e.second.size.bytes() &&
             e.first.page < range.end;
    });
  }
  void flush_page(MmId mm, VirtAddr va, PageShift size, bool code) override {
    ++page_flushes;
    last_range = {va, va + size.bytes()};
    last_code = code;
    std::erase_if(held, [&](const auto& e) {
      return e.first.mm == mm && va < e.first.page + e.second.size.bytes() &&
             e.first.page < va + size.bytes();
    });
  }
  void flush_mm(MmId mm) override {
    ++mm_flushes;
    std::erase_if(held, [&](const auto& e) { return e.first.mm == mm; });
  }
  void flush_local_page(CpuId cpu, MmId mm, VirtAddr va, bool) override {
    ++local_flushes;
    if (const auto it = find(cpu, mm, va); it != held.end()) held.erase(it);
  }
  void resident(MmId mm, uint64_t base_pages, uint64_t huge_leaves) override {
    told[mm] = {base_pages, huge_leaves};
  }
  void forget(MmId mm) override { flush_mm(mm); }
  void for_each_entry(const std::function<void(const mmu::CachedTranslation&)>&) const override {}
  bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  void report(stats::Report&) const override {}
};

enum class Result { Ok, Refused, NoMemory, Gate };

class Machine {
 public:
  // `text`: settings as in a configuration file.
  explicit Machine(const std::string& text = "", const std::string& backend_name = "mlpt",
                   PageShift huge_size = kHuge, VirtAddr mmap_upward_from = VirtAddr(0))
      : huge(huge_size) {
    tlb.huge = huge;
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    Kernel::declare(schema_);
    for (const pt::Backend& backend : pt::backends())
      backend.declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->load_text(text, "test.cfg");
    frames = std::make_unique<mem::FrameMemory>(*config_, k4K);
    sink = std::make_unique<mem::ReferenceSink>(*config_);
    tables = std::make_unique<pt::TableAllocator>(*frames);
    pt::Environment environment;
    environment.sink = sink.get();
    environment.allocator = tables.get();
    environment.format = &format;
    environment.geometry = {{12, 9, true}, {21, 9, true}, {30, 9, true}, {39, 9, false}};
    environment.page = k4K;
    for (const pt::Backend& backend : pt::backends())
      if (backend_name == backend.name) factory = backend.make(*config_, environment);
    Platform platform;
    platform.frames = frames.get();
    platform.sink = sink.get();
    platform.tables = tables.get();
    platform.page_tables = factory.get();
    platform.format = &format;
    platform.tlbs = &tlb;
    platform.layout.top = VirtAddr(0x7ffffffff000);
    platform.layout.stack_top = VirtAddr(0x7ffffffff000);
    platform.layout.mmap_base = VirtAddr(0x7ffff7fff000);
    platform.layout.specials = {{{.name = "[vvar]", .pages = 4},
                                 {.name = "[vvar_vclock]", .pages = 2},
                                 {.name = "[vdso]", .pages = 2, .exec = true}}};
    platform.layout.gate = {{VirtAddr(0xffffffffff600000), VirtAddr(0xffffffffff601000)}, false};
    if (mmap_upward_from != VirtAddr(0)) {
      platform.layout.mmap_base = mmap_upward_from;
      platform.layout.mmap_upward = true;
    }
    platform.page = k4K;
    platform.huge = huge;
    platform.before_free = [this](Pfn first, unsigned order) {
      for (const auto& [key, held] : tlb.held)
        EXPECT_FALSE(held.pfn < first + (uint64_t{1} << order) && first < held.pfn + held.frames())
            << "frame " << held.pfn.value() << " goes free while the TLB holds it for address 0x"
            << std::hex << key.page.value();
      if (on_free) on_free(first, order);
    };
    platform.transfer = [this](const PageTransfer& page) { on_transfer(page); };
    tables->before_free([before = platform.before_free](PhysAddr address, uint64_t bytes) {
      before(Pfn(address.value() >> 12), log2_floor(bytes >> 12));
    });
    free_at_start = frames->free_frames();
    kernel = std::make_unique<Kernel>(*config_, platform);
  }

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
          // A guarded table may have leaves of any size: larger than base pages, they are cut down.
          const bool whole = found.size == huge;
          const VirtAddr base = whole ? found.base : align_down(va, k4K);
          if (leaf.rights.bits() != 0)
            tlb.held[{cpu, space->id, base}] = {leaf.pfn + (base - found.base) / kPage, leaf.rights,
                                                whole ? huge : k4K};
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
      const pt::Lookup found = table->peek(key.page);
      ASSERT_TRUE(found.entry != pt::kNone && format.is_present(found.entry))
          << "stale: 0x" << std::hex << key.page.value();
      const pt::LeafFields leaf = format.parse_leaf(found.entry, found.size);
      ASSERT_EQ(leaf.pfn + (key.page - found.base) / kPage, held.pfn)
          << "stale frame at 0x" << std::hex << key.page.value();
      ASSERT_EQ(held.rights.bits() & ~leaf.rights.bits(), 0u)
          << "stale rights at 0x" << std::hex << key.page.value();
    }
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
      uint64_t folio_leaves = 0;
      uint64_t pooled = 0;
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
              ASSERT_EQ(run.size, huge);
              ++pooled;
              ++pool_mappings[format.pfn_of(e)];
              continue;
            }
            if (run.size != k4K) {
              ASSERT_EQ(run.size, huge);
              ++huge_leaves;
              if (!vma.is_anonymous()) ++folio_leaves;
            }
            if (format.is_special(e)) continue;
            for (uint64_t part = 1; part < run.size.bytes() / kPage; ++part) {
              ++mappings[format.pfn_of(e) + part];
              ++rss[static_cast<unsigned>(core.kind_of(vma))];
            }
            const uint64_t place = space.table->peek(run.address(i)).handle.place;
            if (!run.shared || shared.insert(place).second) ++mappings[format.pfn_of(e)];
            const bool anon = frames->frame(format.pfn_of(e)).use == mem::FrameUse::Anonymous;
            ++rss[static_cast<unsigned>(anon ? PageKind::Anonymous
                                             : kernel->system().core.kind_of(vma))];
          }
        }
      }
      ASSERT_EQ(inside, space.table->stats().leaves) << "leaves outside every area";
      ASSERT_EQ(huge_leaves, space.huge_leaves);
      ASSERT_EQ(folio_leaves, space.folio_leaves);
      ASSERT_EQ(swapped, space.swapped);
      ASSERT_EQ(space.hugetlb_pages, pooled * (huge.bytes() / kPage));
      const pt::SplitReserve reserve = space.table->split_reserve(huge, k4K);
      const uint64_t blocks = (huge_leaves - folio_leaves) * reserve.blocks;
      ASSERT_EQ(space.deposits.size(), blocks);
      ASSERT_EQ(space.deposit_bytes, blocks * reserve.bytes);
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
    for (const auto& [pfn, count] : pool_mappings)
      ASSERT_EQ(frames->frame(pfn).mappings, count);
    uint64_t anonymous = 0;
    for (const auto& [pfn, count] : mappings) {
      const mem::Frame& frame = frames->frame(pfn);
      ASSERT_EQ(frame.mappings, count);
      const bool anon = frame.use == mem::FrameUse::Anonymous;
      ASSERT_EQ(frame.references, anon ? count : count + 1);
      if (frame.exclusive) {
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

  const PageShift huge;
  ToyFormat format;
  HoardingTlb tlb;
  std::unique_ptr<mem::FrameMemory> frames;
  std::unique_ptr<mem::ReferenceSink> sink;
  std::unique_ptr<pt::TableAllocator> tables;
  std::unique_ptr<pt::Factory> factory;  // before the kernel, whose tables need it to the end
  std::unique_ptr<Kernel> kernel;
  uint64_t free_at_start = 0;
  std::function<void(Pfn, unsigned)> on_free;  // a test's own, may be empty
  std::function<void(const PageTransfer&)> on_transfer = [](const PageTransfer&) {};

 private:
  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
};

inline constexpr trace::ThreadId thread_of(uint32_t pid, uint32_t tid = 0) {
  return {Pid(pid), Tid(tid == 0 ? pid : tid)};
}

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_MACHINE_H_
