#include "sim/machine.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pt/plugin.h"

namespace mmusim::sim {

const pt::Backend& page_table_backend(const config::Config& config) {
  const pt::Backend& backend = pt::find_backend(config.choice("machine.page_table"));
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

std::optional<PageShift> huge_page(const pt::RadixGeometry& geometry) {
  if (geometry.size() < 2 || !geometry[1].leaf_allowed) return std::nullopt;
  return PageShift(geometry[1].shift);
}

}  // namespace mmusim::sim
