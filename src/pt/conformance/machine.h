// What a page table under test stands on: memory, sink, allocator, format and the backend's
// factory.
#ifndef MMUSIM_PT_CONFORMANCE_MACHINE_H_
#define MMUSIM_PT_CONFORMANCE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/conformance/test_format.h"
#include "pt/mlpt/shape.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::conformance {

// An architecture: its page and levels. Backends that are no radix trees take from it the leaf
// sizes and the size of the address space.
struct Architecture {
  const char* name;
  unsigned page;
  const char* levels;
  unsigned entry_bytes = sizeof(Entry);
};

inline const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> kArchitectures = {
      {"two", 12, "12:10:leaf,22:10:leaf"},
      {"pae", 12, "12:9:leaf,21:9:leaf,30:2"},
      {"ia64", 14, "14:11:leaf,25:11,36:11"},
      {"x86_64", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9"},
      {"la57", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9,48:9"},
      {"odd", 12, "12:3:leaf,15:2:leaf,17:4,21:5:leaf,26:6"},
      {"full64", 16, "16:12:leaf,28:12:leaf,40:12,52:12"},
      {"i386", 12, "12:10:leaf,22:10:leaf", 4},
  };
  return kArchitectures;
}

struct Machine {
  // `settings`: what to configure other than the defaults, as an INI text.
  Machine(const Backend& backend, const Architecture& architecture,
          const std::string& settings = {}, uint64_t bytes = uint64_t{1} << 30)
      : page(architecture.page),
        memory(bytes, page),
        allocator(memory),
        format(page, architecture.entry_bytes) {
    backend.declare(schema);
    config::Config config(schema);
    config.load_text(settings, "settings");
    environment = {.sink = &sink,
                   .allocator = &allocator,
                   .format = &format,
                   .geometry = mlpt::parse_levels(architecture.levels),
                   .page = page};
    factory = backend.make(config, environment);
    const RadixLevel& top = environment.geometry.back();
    const unsigned bits = top.shift + top.index_bits;
    // Where the last page of a 64-bit space ends cannot be written; that page is left out.
    end = bits == 64 ? ~uint64_t{0} - page.offset_mask() : uint64_t{1} << bits;
  }

  [[nodiscard]] VirtRange everything() const { return {VirtAddr(0), VirtAddr(end)}; }

  PageShift page;
  mem::FrameMemory memory;
  mem::ReferenceSink sink;
  TableAllocator allocator;
  TestFormat format;
  config::Schema schema;
  Environment environment;
  std::unique_ptr<Factory> factory;
  uint64_t end = 0;  // of the address space
};

// copy_ranges() of one range.
template <class Copy>
Status copy_range(PageTable& from, PageTable& to, VirtRange range, Copy copy) {
  return from.copy_ranges(to, {&range, 1},
                          [&](size_t, Run& source, Run& target) { return copy(source, target); });
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_MACHINE_H_
