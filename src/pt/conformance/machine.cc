#include "pt/conformance/machine.h"

#include <utility>

namespace mmusim::pt::conformance {
namespace {

config::Schema schema_of_sink() {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  return schema;
}

config::Config with_cache(const config::Schema& schema, Scrutiny scrutiny) {
  config::Config config(schema);
  if (scrutiny == Scrutiny::Sampled || scrutiny == Scrutiny::Always)
    config.load_text(fmt::format("[cache]\nenabled = true\nline = 64\n[cache.l1]\nbytes = {}\n"
                                 "ways = {}\n[cache.l2]\nbytes = 0\n[cache.l3]\nbytes = 0\n",
                                 Machine::kCacheLines * 64, Machine::kCacheLines),
                     "the kit");
  return config;
}

}  // namespace

Machine::Machine(const Backend& backend, Layout address_space, const std::string& settings,
                 uint64_t bytes, Scrutiny how_closely, Journal* notes)
    : scrutiny(how_closely),
      journal(notes),
      layout(std::move(address_space)),
      page(layout.page),
      spaces(layout.spaces()),
      memory(bytes, page),
      sink_schema(schema_of_sink()),
      sink_config(with_cache(sink_schema, how_closely)),
      sink(sink_config),
      allocator(memory),
      format(page, layout.entry_bytes) {
  if (scrutiny == Scrutiny::Sampled || scrutiny == Scrutiny::Always) arena.emplace(bytes);
  backend.declare(schema);
  config::Config config(schema);
  config.load_text(settings, "settings");
  environment = {.sink = &sink,
                 .allocator = &allocator,
                 .format = &format,
                 .geometry = layout.geometry,
                 .page = page,
                 .leaf_sizes = layout.leaf_sizes()};
  factory = backend.make(config, environment);
}

VirtRange Machine::space_of(uint64_t va) const {
  for (const VirtRange& space : spaces)
    if (space.contains(VirtAddr(va))) return space;
  MMUSIM_ASSERT(false);
  return {};
}

}  // namespace mmusim::pt::conformance
