// The hardware of kernel tests: simulated memory, a page table with x86-64's shape but entries of a
// format of its own, and a TLB that never forgets anything by itself. The TLB is the judge:
// whatever it still holds after a flush was due is a stale translation, and a frame that goes free
// while it is in there is a use after free.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_HARDWARE_H_
#define MMUSIM_TESTS_UNIT_KERNEL_HARDWARE_H_

#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/bits.h"
#include "config/schema.h"
#include "kernel/kernel.h"
#include "kernel/platform.h"
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
  using Hint = BitField<48, 6>;  // log2 of the bytes of a superpage the entry is part of
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
                           (f.dirty ? kDirty : 0) | (f.special ? kSpecial : 0) |
                           (f.hint ? Hint::set(0, f.hint->log2()) : 0),
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
            .special = is_special(e),
            .hint = size == k4K && Hint::get(e) != 0
                        ? std::optional(PageShift(static_cast<unsigned>(Hint::get(e))))
                        : std::nullopt};
  }
  std::vector<PageShift> hint_sizes() const override {
    return {PageShift(13), PageShift(14), PageShift(15), PageShift(16), PageShift(18)};
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
  // What a CPU looks an address up by: the last translation that begins before it, if it reaches so
  // far.
  std::map<Key, Held>::iterator find(CpuId cpu, MmId mm, VirtAddr va) {
    auto found = held.upper_bound({cpu, mm, va});
    if (found == held.begin()) return held.end();
    const auto& [key, translation] = *--found;
    const bool covers = key.cpu == cpu && key.mm == mm && va - key.page < translation.size.bytes();
    return covers ? found : held.end();
  }
  std::map<CpuId, std::pair<MmId, const pt::PageTable*>> active;
  uint64_t range_flushes = 0, page_flushes = 0, mm_flushes = 0, local_flushes = 0;
  VirtRange last_range;
  bool last_freed_tables = false;
  bool last_code = false;  // of a page
  mmu::RangeFlush last_why = mmu::RangeFlush::Unmap;

  std::map<MmId, std::pair<uint64_t, uint64_t>> told;  // by resident()

  std::function<bool()> on_shrink;  // a test's own, may be empty

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
  bool shrink() override { return on_shrink && on_shrink(); }
  bool walk_caches_reach(PhysAddr, uint64_t) const override { return false; }
  void report(stats::Report&) const override {}
};

class Hardware {
 public:
  // `text`: settings as in a configuration file.
  explicit Hardware(const std::string& text = "", const std::string& backend_name = "mlpt",
                    PageShift huge_size = kHuge, VirtAddr mmap_upward_from = VirtAddr(0))
      : huge(huge_size) {
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
    environment.leaf_sizes = leaf_sizes(*config_, environment.geometry, k4K);
    for (const pt::Backend& backend : pt::backends())
      if (backend_name == backend.name) factory = backend.make(*config_, environment);
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
  }

  [[nodiscard]] const config::Config& config() const { return *config_; }

  const PageShift huge;
  ToyFormat format;
  HoardingTlb tlb;
  std::unique_ptr<mem::FrameMemory> frames;
  std::unique_ptr<mem::ReferenceSink> sink;
  std::unique_ptr<pt::TableAllocator> tables;
  std::unique_ptr<pt::Factory> factory;  // must outlive the tables it makes
  Platform platform;
  std::function<void(Pfn, unsigned)> on_free;  // a test's own, may be empty
  std::function<void(const PageTransfer&)> on_transfer = [](const PageTransfer&) {};

 private:
  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
};

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_HARDWARE_H_
