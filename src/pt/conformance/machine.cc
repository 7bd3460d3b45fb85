#include "pt/conformance/machine.h"

#include "pt/conformance/witness.h"

namespace mmusim::pt::conformance {
namespace {

std::unique_ptr<mem::ReferenceSink> sink_with_cache() {
  config::Schema schema;
  mem::ReferenceSink::declare(schema);
  config::Config config(schema);
  config.load_text(fmt::format("[cache]\nenabled = true\nline = 64\n[cache.l1]\nbytes = {}\n"
                               "ways = {}\n[cache.l2]\nbytes = 0\n[cache.l3]\nbytes = 0\n",
                               Machine::kCacheLines * 64, Machine::kCacheLines),
                   "the kit");
  return std::make_unique<mem::ReferenceSink>(config);
}

}  // namespace

Machine::Machine(const Backend& backend, const Layout& address_space, const std::string& settings,
                 Journal* notes, Scrutiny how_closely, uint64_t bytes)
    : scrutiny(how_closely),
      journal(notes),
      layout(&address_space),
      page(address_space.page),
      spaces(address_space.spaces()),
      memory(bytes, page),
      sink(how_closely == Scrutiny::Words ? std::make_unique<mem::ReferenceSink>()
                                          : sink_with_cache()),
      allocator(memory),
      format(page, address_space.entry_bytes) {
  if (how_closely != Scrutiny::Words) arena.emplace(bytes);
  backend.declare(schema);
  config::Config config(schema);
  config.load_text(settings, "settings");
  environment = {.sink = sink.get(),
                 .allocator = &allocator,
                 .format = &format,
                 .geometry = address_space.geometry,
                 .page = page};
  backend_factory = backend.make(config, environment);
  factory = std::make_unique<WitnessFactory>(*this, *backend_factory);
}

VirtRange Machine::space_of(uint64_t va) const {
  for (const VirtRange& space : spaces)
    if (space.contains(VirtAddr(va))) return space;
  MMUSIM_ASSERT(false);
  return {};
}

}  // namespace mmusim::pt::conformance
