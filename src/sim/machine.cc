#include "sim/machine.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "pt/plugin.h"

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
