#include "sim/machine.h"

#include <fmt/format.h>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "pt/plugin.h"
#include "pt/scaled_region.h"

namespace mmusim::sim {

const pt::Backend& page_table_backend(const config::Config& config) {
  const pt::Backend& backend = pt::find_backend(MachineOptions::from(config).page_table);
  config::Schema own;
  backend.declare(own);
  for (const config::Key& key : own.keys())
    if (config.schema().find(key.name) == nullptr)
      throw UsageError("machine.page_table",
                       fmt::format("the key '{}' of this plug-in was not declared", key.name),
                       "give its path to sim::declare()");
  return backend;
}

bool hardware_reads(const pt::Factory& factory, const pt::RadixGeometry& geometry) {
  const pt::RadixGeometry* const actual = factory.hardware_walkable();
  return actual != nullptr && *actual == geometry;
}

void check_reach(const pt::Factory& factory, const mmu::AddressLayout& layout, const char* arch) {
  if (factory.can_map(layout.top - 1)) return;
  throw UsageError(
      "machine.page_table",
      fmt::format("this page table cannot map the user addresses of {}, which go up to {:#x}", arch,
                  layout.top.value() - 1),
      "give it more levels or bits");
}

std::unique_ptr<pt::Factory> with_huge_region(std::unique_ptr<pt::Factory> tables,
                                              const mmu::AddressLayout& layout,
                                              mem::ReferenceSink& sink) {
  const mmu::HugeRegion& region = layout.huge_region;
  if (region.range.empty() || tables->hardware_walkable() == nullptr) return tables;
  return pt::with_scaled_region(
      std::move(tables), {.range = region.range, .leaf = region.page, .page = layout.page}, sink);
}

void report_reach(const mmu::TlbMaintenance::Reach& reach, stats::Report& report) {
  uint64_t all = 0;
  for (const auto& [size, bytes] : reach.bytes) {
    report.add("tlb.reach.bytes." + format_size(size.bytes()), bytes, "bytes",
               "... by entries of pages of this size.", "tlb.reach.bytes");
    all += bytes;
  }
  report.add(
      "tlb.reach.samples", reach.samples, "samples",
      "Times the reach of the last level of the TLBs was looked at: every 64th of its misses "
      "that found a translation.");
  report.add("tlb.reach.bytes", all, "bytes",
             "What its entries that programs could use covered, of all samples together; by "
             "tlb.reach.samples, the mean TLB reach.",
             "tlb.reach.samples");
  report.state("tlb.reach.last", reach.last, "bytes", "... of the last sample.");
}

void report_fills(const mmu::TlbMaintenance& tlbs, stats::Report& report) {
  uint64_t all = 0;
  uint64_t bytes = 0;
  for (const auto& [size, fills] : tlbs.fills_by_size()) {
    report.add("tlb.fills." + format_size(size.bytes()), fills, "entries",
               "Entries of pages of this size that misses put into the last level of the TLBs, the "
               "kernel's own too.",
               "tlb.fills");
    all += fills;
    bytes += fills * size.bytes();
  }
  report.add("tlb.fills", all, "entries", "Entries of all sizes put there.");
  report.add("tlb.fills.bytes", bytes, "bytes",
             "What these entries cover together; by tlb.fills, the mean reach of one.",
             "tlb.fills");
}

std::optional<PageShift> huge_page(const pt::RadixGeometry& geometry) {
  if (geometry.size() < 2 || !geometry[1].leaf_allowed) return std::nullopt;
  return PageShift(geometry[1].shift);
}

}  // namespace mmusim::sim
