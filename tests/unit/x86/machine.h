// A machine small enough to work out by hand: frames, a sink, an MMU from a few lines of
// configuration, and page tables built entry by entry.
#ifndef MMUSIM_TESTS_UNIT_X86_MACHINE_H_
#define MMUSIM_TESTS_UNIT_X86_MACHINE_H_

#include <cstdint>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "arch/x86/mmu.h"
#include "arch/x86/options.h"
#include "arch/x86/steps.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"

namespace mmusim::x86::testing {

// Bits as the manual numbers them, so that a test does not lean on the names it tests.
inline constexpr uint64_t kP = 1, kW = 2, kU = 4, kA = 1 << 5, kD = 1 << 6, kPS = 1 << 7,
                          kG = 1 << 8;
inline constexpr uint64_t kNX = uint64_t{1} << 63;
inline constexpr uint64_t kTable = kP | kW | kU | kA | kD;
inline constexpr uint64_t kData = kP | kW | kU | kNX | kA | kD;
inline constexpr uint64_t kCode = kP | kU | kA;

// A page table of which only the root is asked: the tests write the tables themselves.
class RootOnly final : public pt::PageTable {
 public:
  RootOnly(mem::ReferenceSink& sink, PhysAddr root) : PageTable(sink), root_(root) {}
  pt::RootToken root() const override { return {.address = root_, .extra = 0}; }

  pt::Lookup walk(VirtAddr, pt::WalkPath&) const override { return {}; }
  pt::Slot ensure(VirtAddr, PageShift) override { return {.status = kNo, .handle = {}}; }
  pt::Status install(const pt::Handle&, pt::Entry, pt::Entry) override { return kNo; }
  pt::Status clear(const pt::Handle&, pt::Entry&) override { return kNo; }
  pt::Status split(const pt::Handle&, PageShift) override { return kNo; }
  std::unique_ptr<pt::Cursor> cursor(VirtRange, pt::CursorMode) override { return nullptr; }
  pt::Status copy_ranges(PageTable&, std::span<const VirtRange>, const pt::RunCopier&) override {
    return kNo;
  }
  pt::Status move_range(VirtAddr, VirtAddr, uint64_t, uint64_t&) override { return kNo; }
  void trim(VirtRange, VirtAddr, VirtAddr, pt::Gather&) override {}
  pt::Stats stats() const override { return {}; }
  uint64_t table_bytes() const override { return 0; }
  void visit_tables(const pt::TableVisitor&) const override {}
  pt::Capabilities capabilities() const override { return {}; }

 private:
  static constexpr pt::Status kNo = pt::Status::NotSupported;
  PhysAddr root_;
};

class Machine {
 public:
  // `text`: INI; what is not said has the defaults.
  explicit Machine(const std::string& text = "") {
    mem::FrameMemory::declare(schema_);
    mem::ReferenceSink::declare(schema_);
    Options::keys().declare(schema_);
    config_ = std::make_unique<config::Config>(schema_);
    config_->load_text(text, "test.cfg");
    options_ = Options::keys().read(*config_);
    frames_ = std::make_unique<mem::FrameMemory>(*config_, k4K);
    sink_ = std::make_unique<mem::ReferenceSink>(*config_);
    path_ = std::make_unique<mmu::MissPath>(steps(options_), *frames_, *sink_, mmu::HandlerCode{});
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] mem::FrameMemory& frames() { return *frames_; }
  [[nodiscard]] mem::ReferenceSink& sink() { return *sink_; }
  [[nodiscard]] mmu::MissPath& path() { return *path_; }
  [[nodiscard]] std::unique_ptr<Mmu> make_mmu() {
    return std::make_unique<Mmu>(options_, *frames_, *sink_);
  }

  [[nodiscard]] PhysAddr new_table() {
    return frames_->address_of(frames_->allocate(0, mem::FrameUse::Table, 1).value());
  }
  // The word at `level` (0 = PTE) on the way to `va`; makes tables above it with `table_bits`.
  uint64_t& entry(PhysAddr root, uint64_t va, unsigned level, uint64_t table_bits = kTable) {
    PhysAddr table = root;
    for (unsigned at = options_.paging.levels - 1;; --at) {
      uint64_t& word = *frames_->words(table + ((va >> (12 + 9 * at)) & 511) * 8);
      if (at == level) return word;
      if (word == 0) word = new_table().value() | table_bits;
      table = PhysAddr(word & 0x000ffffffffff000u);
    }
  }
  // A leaf of 4K (level 0), 2M (1) or 1G (2) at frame `pfn`.
  void map(PhysAddr root, uint64_t va, uint64_t pfn, uint64_t bits, unsigned level = 0) {
    entry(root, va, level) = pfn << 12 | bits | (level > 0 ? kPS : 0);
  }

  [[nodiscard]] uint64_t walker_reads(unsigned level) const {
    return sink_->count(mem::Origin::Walker, level, false);
  }
  [[nodiscard]] uint64_t walker_reads() const {
    uint64_t sum = 0;
    for (unsigned level = 0; level < 5; ++level)
      sum += walker_reads(level);
    return sum;
  }
  [[nodiscard]] uint64_t walker_writes(unsigned level) const {
    return sink_->count(mem::Origin::Walker, level, true);
  }

 private:
  config::Schema schema_;
  std::unique_ptr<config::Config> config_;
  Options options_;
  std::unique_ptr<mem::FrameMemory> frames_;
  std::unique_ptr<mem::ReferenceSink> sink_;
  std::unique_ptr<mmu::MissPath> path_;
};

}  // namespace mmusim::x86::testing

#endif  // MMUSIM_TESTS_UNIT_X86_MACHINE_H_
