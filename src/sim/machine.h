// A simulated machine: memory, page tables, TLBs and kernel, wired as a configuration says.
#ifndef MMUSIM_SIM_MACHINE_H_
#define MMUSIM_SIM_MACHINE_H_

#include <memory>
#include <optional>

#include "base/bits.h"
#include "config/schema.h"
#include "kernel/kernel.h"
#include "kernel/superpages.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"
#include "sim/checker.h"
#include "sim/contracts.h"
#include "sim/machine_options.h"
#include "sim/run_options.h"
#include "stats/report.h"

namespace mmusim::sim {

// The backend machine.page_table names. REQUIRES: the key was declared by sim::declare.
const pt::Backend& page_table_backend(const config::Config& config);

// Whether a hardware walker for `geometry` can read the tables `factory` makes.
bool hardware_reads(const pt::Factory& factory, const pt::RadixGeometry& geometry);

// Errors: UsageError when those tables cannot map all of a user address space.
void check_reach(const pt::Factory& factory, const mmu::AddressLayout& layout, const char* arch);

// The size of huge pages: a leaf of the level above the leaf tables, where there may be one.
std::optional<PageShift> huge_page(const pt::RadixGeometry& geometry);

// What of each page size misses have put into the TLBs, and how much these entries cover.
void report_fills(const mmu::TlbMaintenance& tlbs, stats::Report& report);
// How much of memory they have reached.
void report_reach(const mmu::TlbMaintenance::Reach& reach, stats::Report& report);

// The same tables, but where the layout has a huge region of a size they have no leaves of, and
// hardware walks them, with that region scaled (pt/scaled_region.h).
std::unique_ptr<pt::Factory> with_huge_region(std::unique_ptr<pt::Factory> tables,
                                              const mmu::AddressLayout& layout,
                                              mem::ReferenceSink& sink);

template <SimulatedArchitecture Arch>
class Machine {
 public:
  // Errors: UsageError for a configuration no machine can have.
  explicit Machine(const config::Config& config)
      : options_(Arch::read_options(config)),
        format_(Arch::format(options_)),
        frames_(config, page()),
        sink_(config),
        tables_(frames_),
        factory_(with_huge_region(
            page_table_backend(config).make(
                config, pt::Environment{.sink = &sink_,
                                        .allocator = &tables_,
                                        .format = &format_,
                                        .geometry = Arch::geometry(options_),
                                        .page = page(),
                                        .leaf_sizes = kernel::leaf_sizes(
                                            config, Arch::geometry(options_), page()),
                                        .cpus = MachineOptions::from(config).cpus,
                                        .architecture = Arch::kName}),
            Arch::layout(options_), sink_)),
        tlbs_(options_, MachineOptions::from(config).cpus, frames_, sink_,
              hardware_reads(*factory_, Arch::geometry(options_))),
        checker_(RunOptions::from(config).check ? std::make_unique<Checker>(tlbs_, format_, frames_)
                                                : nullptr),
        kernel_(config, platform(MachineOptions::from(config).cpus)),
        has_superpages_(kernel::asks_for_superpages(config)) {
    if (has_superpages_) tlbs_.watch_reach();
    check_reach(*factory_, Arch::layout(options_), Arch::kName);
    tables_.before_reuse(
        [this](PhysAddr address, uint64_t bytes) { tlbs_.table_freed(address, bytes); });
    if (checker_ != nullptr) checker_->watch(kernel_, MachineOptions::from(config).cpus);
    common_bytes_ = factory_->common_bytes();
  }

  [[nodiscard]] typename Arch::Tlbs& tlbs() { return tlbs_; }
  // After an error or an interruption tables go without flushes; nothing is checked then.
  ~Machine() {
    tables_.before_free({});
    tables_.before_reuse({});
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] kernel::Kernel& kernel() { return kernel_; }
  [[nodiscard]] mem::ReferenceSink& sink() { return sink_; }
  [[nodiscard]] const pt::TableAllocator& tables() const { return tables_; }
  [[nodiscard]] const typename Arch::Format& format() const { return format_; }
  [[nodiscard]] pt::Factory& page_tables() { return *factory_; }
  [[nodiscard]] mmu::AddressLayout layout() const { return Arch::layout(options_); }
  [[nodiscard]] PageShift page() const { return layout().page; }
  [[nodiscard]] std::optional<PageShift> huge() const {
    return huge_page(Arch::geometry(options_));
  }
  [[nodiscard]] Checker* checker() { return checker_.get(); }  // null unless run.check

  // Ends all processes. Errors in checking mode: Error when frames are left over.
  void shut_down() {
    if (checker_ != nullptr) checker_->check_everything();
    kernel_.shut_down();
    // A hash that serves all address spaces also serves the kernel's own, which stays.
    if (checker_ != nullptr) checker_->check_no_leaks(factory_->common_bytes() - common_bytes_);
  }

  void report(stats::Report& report) const {
    tlbs_.report(report);
    sink_.report(report);
    kernel_.report(report);
    if (has_superpages_) {
      report_fills(tlbs_, report);
      report_reach(tlbs_.reach(), report);
    }
    if (const auto changed = factory_->restructuring()) {
      report.add("kernel.page_tables.rebuilt", changed->tables, "tables",
                 "Page tables replaced by one of another size or form.");
      report.add("kernel.page_tables.rewritten", changed->entries, "entries",
                 "Entries copied by that.", "kernel.page_tables.rebuilt");
    }
    frames_.report(report);
    if (checker_ != nullptr) checker_->report(report);
  }

 private:
  kernel::Platform platform(unsigned cpus) {
    kernel::Platform p;
    p.frames = &frames_;
    p.sink = &sink_;
    p.tables = &tables_;
    p.page_tables = factory_.get();
    p.format = &format_;
    p.tlbs = &tlbs_;
    p.cpus = cpus;
    p.layout = Arch::layout(options_);
    p.page = page();
    p.huge = huge();
    if (checker_ != nullptr) {
      p.before_free = [checker = checker_.get()](Pfn first, unsigned order) {
        checker->before_free(first, order);
      };
      tables_.before_free([this](PhysAddr address, uint64_t bytes) {
        checker_->before_free(frames_.frame_of(address),
                              log2_floor(bytes >> frames_.page().log2()));
      });
    }
    return p;
  }

  typename Arch::Options options_;
  typename Arch::Format format_;
  mem::FrameMemory frames_;
  mem::ReferenceSink sink_;
  pt::TableAllocator tables_;
  std::unique_ptr<pt::Factory> factory_;
  uint64_t common_bytes_ = 0;  // of its tables before any process
  typename Arch::Tlbs tlbs_;
  std::unique_ptr<Checker> checker_;
  kernel::Kernel kernel_;
  bool has_superpages_;  // asked for by keys
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_MACHINE_H_
